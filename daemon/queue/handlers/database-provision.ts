import type { BuiltInTaskContext } from './context.ts';

/** Creates the database of the task's user. A sign-up adds this task when its provisioning failed. */
export async function handle(
  _payload: unknown,
  { provision }: BuiltInTaskContext,
): Promise<{ database: string }> {
  const { name } = await provision();
  return { database: name };
}
