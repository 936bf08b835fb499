import { randomInt } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { seeded } from '../chaos/random.ts';
import { bareInstance } from '../helpers/bare-instance.ts';
import { hasEtcd } from '../helpers/etcd.ts';
import { hasHaproxy, hostOfDatabase } from '../helpers/haproxy.ts';
import { litestream } from '../helpers/replication.ts';
import { findS3Server } from '../helpers/s3-server.ts';
import { until } from '../helpers/until.ts';
import { createCluster, spread, type TestCluster, untilSettled } from './create-cluster.ts';
import { planFaults, type Round, runFaults } from './fault-run.ts';
import { hasNamespaces } from './network.ts';
import { Traffic } from './traffic.ts';
import { Attempts, Writer } from './writer.ts';

const NAME = 'the faults of a cluster';
/** Longer than an election of etcd takes on a busy host. */
const LEASE_SECONDS = 10;
const FAULTS = Number(process.env['FATHOM_CLUSTER_FAULTS'] ?? 5);
const DATABASES = Number(process.env['FATHOM_CLUSTER_DATABASES'] ?? 12);
/** Of each writer, so that all together make as many requests with any number of databases. */
const PAUSE_MS = DATABASES * 10;
/** Accounts that sign up meanwhile. */
const SIGN_UPS = 5;
const CONTROL_PAUSE_MS = 200;

const moto = await findS3Server(NAME);
const parts = [hasEtcd(NAME), hasHaproxy(NAME), hasNamespaces(NAME), litestream !== null, moto !== null];

describe.skipIf(!parts.every(Boolean))('a cluster of three servers', () => {
  it('keeps its promises through faults', { timeout: 400_000 + FAULTS * 120_000 }, async () => {
    const seed = Number(process.env['FATHOM_CLUSTER_SEED'] ?? randomInt(2 ** 31));
    console.log(`seed ${seed} (FATHOM_CLUSTER_SEED repeats it)`);
    const random = seeded(seed);
    const cluster = await createCluster({
      moto: moto ?? '',
      databases: DATABASES,
      leaseSeconds: LEASE_SECONDS,
    });
    const { edge, owners, watch, tenants, servers } = cluster;
    const first = servers[0] ?? expect.fail('no server');
    const bare = await bareInstance();
    await bare.start();
    await bare.untilReady();
    const control = new Attempts(async (signal) => {
      const { ok } = await fetch(`http://127.0.0.1:${bare.command.port}/api/health`, { signal });
      return ok ? null : 'no answer';
    }, CONTROL_PAUSE_MS);
    const writers = tenants.map(
      ({ name, ownerToken: token }) =>
        new Writer(edge, { name, host: hostOfDatabase(name), token, pauseMs: PAUSE_MS }),
    );
    const traffic = new Traffic(edge, {
      tenant: tenants[0] as (typeof tenants)[number],
      admin: first.fathom.admin,
      filesDir: first.fathom.filesDir,
      signUps: SIGN_UPS,
    });
    const run = { cluster, writers, traffic, control, leaseSeconds: LEASE_SECONDS, random };
    const rounds: Round[] = [];
    try {
      await untilSettled(cluster);
      // Each round ends settled.
      for (const kinds of planFaults(FAULTS, random)) {
        const from = performance.now();
        const moves = await spread(cluster);
        if (moves.length > 0) {
          const longest = writers.map(({ attempts }) => attempts.longestMs(from, performance.now()));
          console.log(
            `${moves.length} databases moved: ${seconds(median(moves))} each, ${seconds(Math.max(...moves))} at most; writes waited for ${seconds(Math.max(...longest))}`,
          );
        }
        rounds.push(await runFaults(kinds, run));
      }
      await Promise.all([...writers, traffic, control].map((one) => one.stop()));
      expect(rounds.flatMap(({ what, violations }) => violations.map((one) => `${what}: ${one}`))).toEqual(
        [],
      );
      const leader = servers.find(({ name }) => name === owners.leader) ?? expect.fail('no leader');
      const { client } = leader.fathom;
      const mayBeLost = (at: number) =>
        rounds.some(({ lossFrom, leaderAt }) => leaderAt !== null && at >= lossFrom && at <= leaderAt);
      for (const { title: id, at } of traffic.tasks) {
        const task = await until(
          async () => {
            const found = await client.queue.get(id).catch((error: unknown) => {
              if (mayBeLost(at)) return null;
              throw error;
            });
            return found === null ? 'lost' : ['done', 'dead'].includes(found.status) ? found : null;
          },
          { what: `the task ${id}` },
        );
        if (task !== 'lost') expect(task).toMatchObject({ status: 'done' });
      }
      const emails = new Set((await client.users.list({ per_page: 500 })).items.map(({ email }) => email));
      expect(traffic.accounts.filter(({ title, at }) => !emails.has(title) && !mayBeLost(at))).toEqual([]);
      expect(await client.audit.verify()).toMatchObject({ ok: true, problem: null });
      expect(watch.looks).toBeGreaterThan(FAULTS);
      const count = writers.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
      console.log(
        `${count} writes, ${traffic.tasks.length} tasks, ${traffic.accounts.length} sign-ups, ${DATABASES} databases, a lease of ${LEASE_SECONDS} s`,
      );
    } finally {
      await keepLogs(cluster, traffic);
      watch.stop();
      await Promise.all([...writers, traffic, control, owners].map((one) => one.stop()));
    }
  });
});

/** For the search of a cause: FATHOM_CLUSTER_LOGS names a directory. */
async function keepLogs({ servers, edge, owners }: TestCluster, traffic: Traffic): Promise<void> {
  const directory = process.env['FATHOM_CLUSTER_LOGS'];
  if (directory === undefined) return;
  await mkdir(directory, { recursive: true });
  for (const { name, output } of servers) await writeFile(join(directory, `${name}.log`), output);
  await writeFile(join(directory, 'edge.log'), edge.log());
  await writeFile(join(directory, 'owners.log'), owners.lines.join('\n'));
  await writeFile(join(directory, 'traffic.log'), traffic.problems.join('\n'));
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
