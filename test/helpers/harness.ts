import { onTestFinished } from 'vitest';
import { createDeployment, type Deployment } from './deployment.ts';

export type { Daemon, Deployment } from './deployment.ts';

const DISPOSE_TIMEOUT_MS = 60_000;

/** A deployment for one test, disposed of at its end: the test fails if an instance still runs then. */
export async function deployment(
  env: Record<string, string> = {},
  options: { ports?: number } = {},
): Promise<Deployment> {
  const created = await createDeployment(env, options);
  onTestFinished(() => created.dispose(), DISPOSE_TIMEOUT_MS);
  return created;
}
