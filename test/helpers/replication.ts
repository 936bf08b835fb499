import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished } from 'vitest';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import type { ReplicaStatus } from '../../shared/api/backup-status.ts';
import type { Deployment } from './deployment.ts';
import { deployment } from './harness.ts';
import { findLitestream } from './litestream.ts';
import { until } from './until.ts';

const run = promisify(execFile);
export const litestream = await findLitestream('replication');

export async function scratchDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'fathom-replica-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export async function replicated(
  env: Record<string, string> = {},
): Promise<{ fathom: Deployment; target: string }> {
  const target = await scratchDirectory();
  const fathom = await deployment({ REPLICA: target, LITESTREAM_BINARY_PATH: litestream ?? '', ...env });
  return { fathom, target };
}

export async function statusOf(fathom: Deployment): Promise<ReplicaStatus> {
  const { replica } = (await fathom.client.daemon.status()).backups;
  return replica ?? expect.fail('REPLICA is not set');
}

export const untilStatus = (fathom: Deployment, isSo: (status: ReplicaStatus) => boolean, what: string) => {
  let seen: ReplicaStatus | null = null;
  return until(
    async () => {
      seen = await statusOf(fathom);
      return isSo(seen) ? seen : null;
    },
    { what: () => `${what}; it is ${JSON.stringify(seen)}` },
  );
};

export function pbDataOf({ dataDir }: Deployment, name: string): string {
  return join(dataDir, 'user_dbs', name, 'pb_data');
}

export async function hostOf({ dataDir }: Deployment): Promise<string> {
  return (JSON.parse(await readFile(join(dataDir, 'backup-host.json'), 'utf8')) as { id: string }).id;
}

/** What is in the replica of a database. */
export async function replicaTitles(fathom: Deployment, target: string, name: string): Promise<string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'fathom-replica-'));
  try {
    const url = `file://${target}/${await hostOf(fathom)}/${name}`;
    await run(litestream ?? '', ['restore', '-o', join(directory, 'data.db'), url]);
    return withDatabase(join(directory, 'data.db'), { readOnly: true }, (database) =>
      database
        .prepare('SELECT title FROM documents ORDER BY title')
        .all()
        .map(({ title }) => String(title)),
    );
  } catch {
    return [];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Waits for the next full second. */
export async function nextSecond(): Promise<Date> {
  const second = new Date((Math.floor(Date.now() / 1000) + 1) * 1000);
  await until(() => Date.now() >= second.getTime(), { what: 'the next second' });
  return second;
}

export const untilReplica = (fathom: Deployment, target: string, name: string, titles: string[]) =>
  until(async () => String(await replicaTitles(fathom, target, name)) === String(titles), {
    what: async () =>
      `${titles.join()} in the replica; it has ${(await replicaTitles(fathom, target, name)).join()}`,
  });
