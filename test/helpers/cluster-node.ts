import { onTestFinished } from 'vitest';
import { createDeployment, type Deployment } from './deployment.ts';
import type { Etcd } from './etcd.ts';

export const LEASE_SECONDS = 5;

/** A deployment that joins a cluster. */
export async function createNode(
  etcd: Pick<Etcd, 'url'>,
  node: string,
  env: Record<string, string> = {},
): Promise<Deployment> {
  const fathom = await createDeployment(
    { FATHOM_CLUSTER: etcd.url, FATHOM_NODE: node, FATHOM_LEASE_SECONDS: String(LEASE_SECONDS), ...env },
    { label: node },
  );
  onTestFinished(() => fathom.dispose());
  return fathom;
}
