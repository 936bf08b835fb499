import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { createDeployment, type Daemon, type Deployment, type DeploymentOptions } from './deployment.ts';
import { signIn } from './http-call.ts';

export type { Deployment } from './deployment.ts';

const DISPOSE_TIMEOUT_MS = 60_000;

/** A deployment for one test, disposed of at its end: the test fails if an instance still runs then. */
export async function deployment(
  env: Record<string, string> = {},
  options: DeploymentOptions = {},
): Promise<Deployment> {
  const created = await createDeployment(env, options);
  onTestFinished(() => created.dispose(), DISPOSE_TIMEOUT_MS);
  return created;
}

/** One deployment for all tests of a file: made before the first, disposed of after the last. */
export function sharedDeployment(
  env: Record<string, string> = {},
  options: DeploymentOptions = {},
): { readonly fathom: Deployment } {
  let created: Deployment | null = null;
  beforeAll(async () => {
    created = await createDeployment(env, options);
    await created.start();
  });
  afterAll(() => created?.dispose(), DISPOSE_TIMEOUT_MS);
  return {
    get fathom() {
      if (!created) throw new Error('the deployment is made before the first test');
      return created;
    },
  };
}

/** One that runs, with a session of its administrator: for a `beforeAll`, which disposes of it by `fathom.dispose`. */
export async function startedDeployment(
  env: Record<string, string> = {},
): Promise<{ fathom: Deployment; daemon: Daemon; admin: string }> {
  const fathom = await createDeployment(env);
  const daemon = await fathom.start();
  const { token } = await signIn(fathom.url, fathom.admin.email, fathom.admin.password);
  return { fathom, daemon, admin: token };
}
