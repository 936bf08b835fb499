import type { OwnTaskContext } from './context.ts';

/** Gives the task's user a database: what a sign-up whose provisioning failed comes back to. */
export async function handle(
  _payload: unknown,
  { provision }: OwnTaskContext,
): Promise<{ database: string }> {
  const { name } = await provision();
  return { database: name };
}
