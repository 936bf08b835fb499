import { writeFile } from 'node:fs/promises';
import { expect } from 'vitest';
import type { Rollout, RolloutRequest } from '../../shared/api/rollouts.ts';
import { createDeployment, type Daemon, type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import { signUpMany, type Tenant, untilInstance } from '../helpers/fleet-actions.ts';
import { installScript, installVersion } from '../helpers/installed-versions.ts';
import { until } from '../helpers/until.ts';
import { type UpstreamVersion, upstreamBuild } from '../helpers/upstream-builds.ts';
import { readUserDatabase } from '../helpers/user-migrations.ts';
import { startWriter, type Writer } from './writers.ts';

/** 100 in the full test. */
export const DATABASES = Number(process.env['FATHOM_ROLLOUT_DATABASES'] ?? 8);
export const WRITERS = Math.min(10, DATABASES - 2);
const ROLLOUT_TIMEOUT_MS = 1_200_000;

export const OLD: UpstreamVersion = '0.39.11';
export const NEW: UpstreamVersion = '0.40.6';

/** The executables of both versions; null where they cannot be had. */
export async function builds(name: string): Promise<Partial<Record<UpstreamVersion, string>> | null> {
  const [old, recent] = [await upstreamBuild(OLD, name), await upstreamBuild(NEW, name)];
  return old === null || recent === null ? null : { [OLD]: old, [NEW]: recent };
}

/**
 * A real PocketBase that calls itself another version, and ends itself in one database after some seconds, or at its start.
 */
export async function installCrashing(
  fathom: Deployment,
  { version, real, database, afterS }: { version: string; real: string; database: string; afterS: number },
): Promise<void> {
  const crash = afterS === 0 ? 'exit 3' : `(sleep ${afterS}; kill -9 $$) &`;
  await installScript(fathom, { version, real, lines: `case "$*" in */${database}/*) ${crash} ;; esac` });
}

export interface RolloutStage {
  fathom: Deployment;
  tenants: Tenant[];
  daemon: Daemon;
}

/** A fleet with records and a file in each database, on the embedded version. The databases are in the order of rollouts. */
export async function createStage(count: number, env: Record<string, string> = {}): Promise<RolloutStage> {
  const fathom = await createDeployment(env, { ports: count + 40 });
  const daemon = await fathom.start({}, SCRIPTED);
  const tenants = (await signUpMany(fathom, count)).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  for (const tenant of tenants) await addDocument(fathom, tenant);
  return { fathom, tenants, daemon };
}

/** A fleet of `DATABASES`, with both versions installed. */
export async function createVersionsStage(
  executables: Awaited<ReturnType<typeof builds>>,
): Promise<RolloutStage> {
  // Some executables of the tests are scripts.
  const stage = await createStage(DATABASES, { FATHOM_SANDBOX: 'off' });
  for (const [version, path] of Object.entries(executables ?? {}))
    await installVersion(stage.fathom, version, path);
  return stage;
}

async function addDocument(fathom: Deployment, { name, ownerToken }: Tenant): Promise<void> {
  const form = new FormData();
  form.set('title', 'before');
  form.set('files', new Blob(['content of a file']), 'file.txt');
  const { port } = await fathom.client.databases.get(name);
  const response = await fetch(`http://127.0.0.1:${port}/api/collections/documents/records`, {
    method: 'POST',
    // A database with an open connection does not sleep.
    headers: { authorization: ownerToken, connection: 'close' },
    body: form,
  });
  expect(response.status).toBe(200);
}

export async function startWriters(fathom: Deployment, tenants: readonly Tenant[]): Promise<Writer[]> {
  return Promise.all(
    tenants.map(async (tenant) => {
      const { port } = await fathom.client.databases.get(tenant.name);
      return startWriter(tenant, Number(port));
    }),
  );
}

/** Stops the writers, and checks that the databases have every record that they acknowledged. */
export async function checkWriters(fathom: Deployment, writers: readonly Writer[]): Promise<number> {
  let count = 0;
  for (const writer of writers) {
    await writer.stop();
    const ids = readUserDatabase(
      fathom,
      writer.tenant.name,
      (database) =>
        new Set(
          database
            .prepare('SELECT id FROM documents')
            .all()
            .map(({ id }) => String(id)),
        ),
    );
    expect([...writer.acknowledged].filter((id) => !ids.has(id))).toEqual([]);
    count += writer.acknowledged.size;
  }
  return count;
}

/**
 * An executable of the whole fleet that ends itself after four seconds in databases with a collection `crashing`.
 *
 * @returns its path
 */
export async function writeCrashingFleet(path: string, real: string): Promise<string> {
  const script = `#!/bin/sh
if [ "$1" = --version ]; then exec ${real} --version; fi
for argument in "$@"; do case "$argument" in --dir=*) data=\${argument#--dir=} ;; esac; done
if [ "$1" = serve ] && grep -q crashing "$data/data.db" 2>/dev/null; then (sleep 4; kill -9 $$) & fi
exec ${real} "$@"
`;
  await writeFile(path, script, { mode: 0o755 });
  return path;
}

/** Starts a rollout and waits for its end, or until it halts. */
export async function rollOut(fathom: Deployment, request: RolloutRequest): Promise<Rollout> {
  await fathom.client.rollouts.start(request);
  return untilEnded(fathom);
}

export async function untilEnded(fathom: Deployment): Promise<Rollout> {
  let seen: Rollout | null = null;
  return until(
    async () => {
      seen = await fathom.client.rollouts.status();
      return seen.status !== 'running' && seen.active.length === 0 ? seen : null;
    },
    { timeoutMs: ROLLOUT_TIMEOUT_MS, what: () => `the end of the rollout; it is ${JSON.stringify(seen)}` },
  );
}

export function untilVersion(fathom: Deployment, name: string, version: string): Promise<unknown> {
  return untilInstance(
    fathom,
    name,
    (it) => it.phase === 'running' && it.pocketbase_version === version,
    `to run ${version}`,
  );
}
