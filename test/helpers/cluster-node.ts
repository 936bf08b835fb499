import { onTestFinished } from 'vitest';
import { createDeployment, type Daemon, type Deployment, type DeploymentOptions } from './deployment.ts';
import type { Etcd } from './etcd.ts';
import { fathomd } from './fathomd.ts';
import { until } from './until.ts';

export const LEASE_SECONDS = 5;

const SECRETS = ['AES_MASTER_KEY', 'JWT_SECRET', 'PB_ENCRYPTION_KEY', 'PB_ADMIN_PASSWORD'];

/** What all nodes of a fleet share. */
export function secretsOf({ env }: Deployment): Record<string, string> {
  return Object.fromEntries(SECRETS.map((name) => [name, env[name] ?? '']));
}

/** A deployment that joins a cluster. */
export async function createNode(
  etcd: Pick<Etcd, 'url'>,
  node: string,
  env: Record<string, string> = {},
  options: DeploymentOptions = {},
): Promise<Deployment> {
  const fathom = await createDeployment(
    { FATHOM_CLUSTER: etcd.url, FATHOM_NODE: node, FATHOM_LEASE_SECONDS: String(LEASE_SECONDS), ...env },
    { label: node, ...options },
  );
  onTestFinished(() => fathom.dispose());
  return fathom;
}

/** What the start of a daemon waits for. */
export function waitsFor(fathom: Deployment, daemon: Daemon, text: string): Promise<unknown> {
  return until(
    async () => {
      const { stdout } = await fathomd(['status', '--json', '--socket', fathom.socketPath]);
      return (
        stdout.startsWith('{') &&
        String((JSON.parse(stdout) as { waiting_for: unknown }).waiting_for).includes(text)
      );
    },
    { what: () => `the daemon to wait for '${text}':\n${daemon.output()}` },
  );
}
