import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processStat } from '../../daemon/pocketbase/process/procfs.ts';
import { createDeployment, type Daemon, type Deployment } from '../../test/helpers/deployment.ts';
import { freePortRange } from '../../test/helpers/free-ports.ts';
import { fleetIdOf, keeperOf } from '../../test/helpers/leaks.ts';
import { findLitestream } from '../../test/helpers/litestream.ts';
import { until } from '../../test/helpers/until.ts';
import { FleetUsers } from '../fleet-user.ts';
import { median, report, residentBytes } from '../measure.ts';

const LEASE_SECONDS = 15;
/** Databases of the node that is lost. */
const COUNTS = [20, 200];
const MOVES = 10;
const WINDOW_MS = 30_000;
const PAGE = 500;
const BYTES_PER_MB = 1_000_000;
const SHARED = ['AES_MASTER_KEY', 'JWT_SECRET', 'PB_ENCRYPTION_KEY', 'PB_ADMIN_PASSWORD'];

/** The loss of a node of a cluster, planned moves, and what replication costs, with small databases. */
export async function benchNodeLoss(): Promise<boolean> {
  const litestream = await findLitestream('node-loss');
  if (litestream === null || !hasEtcd()) return true;
  let met = true;
  for (const count of COUNTS) met = (await measure(count, litestream)) && met;
  return met;
}

function hasEtcd(): boolean {
  try {
    execFileSync('etcd', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    console.log("SKIPPED node-loss: no etcd in PATH; install the package 'etcd-server'");
    return false;
  }
}

async function measure(count: number, litestream: string): Promise<boolean> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'fathom-bench-loss-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const settings = {
    FATHOM_CLUSTER: await startEtcd(join(directory, 'etcd'), stack),
    FATHOM_LEASE_SECONDS: String(LEASE_SECONDS),
    FATHOM_FENCE: 'on',
    REPLICA: join(directory, 'replica'),
    LITESTREAM_BINARY_PATH: litestream,
  };
  const databases = count + MOVES;
  const options = { ports: databases * 2 + 40 };
  const one = await createDeployment({ ...settings, FATHOM_NODE: 'n1' }, options);
  stack.defer(() => one.dispose());
  const first = await one.start();
  await new FleetUsers(one).provisionMany(databases);
  const shared = Object.fromEntries(SHARED.map((name) => [name, one.env[name] ?? '']));
  const fleet = (await readFile(join(one.dataDir, 'fleet-id'), 'utf8')).trim();
  const two = await createDeployment(
    { ...settings, ...shared, FATHOM_NODE: 'n2', FATHOM_FLEET_ID: fleet },
    { ...options, empty: true },
  );
  stack.defer(() => two.dispose());
  await two.start();
  await untilReplicated(one, databases);

  const replication = await costOfReplication(one, databases);
  const moves = await timesOfMoves(one);
  await untilReplicated(one, count);
  const { leaseMs, firstMs, allMs } = await loseNode({ one, first, two, count });
  const met = [
    report({
      name: `loss of a node with ${count} databases`,
      compares: 'until all of them serve on another node, after the end of the lease',
      value: (allMs - leaseMs) / 1000,
      bar: 10,
      unit: ' s',
      details: `a lease of ${LEASE_SECONDS} s, which ended ${(leaseMs / 1000).toFixed(1)} s after the loss; the first one served ${(firstMs / 1000).toFixed(1)} s after the loss, the last one ${(allMs / 1000).toFixed(1)} s`,
    }),
    report({
      name: `planned move, ${databases} databases`,
      compares: 'from the request until the database serves on the other node',
      value: median(moves) / 1000,
      bar: 3,
      unit: ' s',
      details: `median of ${moves.length}, one after the other; at most ${(Math.max(...moves) / 1000).toFixed(1)} s`,
    }),
    report({
      name: `replication of ${databases} idle databases`,
      compares: "Litestream's processor time, of one core, for each 100 databases",
      value: (replication.cpuPercent / databases) * 100,
      bar: 25,
      unit: ' %',
      details: `${replication.cpuPercent.toFixed(2)} % of a core and ${(replication.bytes / BYTES_PER_MB).toFixed(0)} MB in all`,
    }),
  ];
  return met.every(Boolean);
}

/** @returns its URL */
async function startEtcd(directory: string, stack: AsyncDisposableStack): Promise<string> {
  const port = await freePortRange(2);
  const [url, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${port + 1}`];
  const child = spawn(
    'etcd',
    [
      `--data-dir=${directory}`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
    ],
    { stdio: 'ignore' },
  );
  const ended = once(child, 'exit');
  stack.defer(async () => {
    child.kill();
    await ended;
  });
  await until(async () => (await fetch(`${url}/health`).catch(() => null))?.ok === true, { what: 'etcd' });
  return url;
}

/** Waits until the replicas of a node have everything of before now. */
async function untilReplicated({ client }: Deployment, databases: number): Promise<void> {
  const from = Date.now();
  await until(
    async () => {
      const askedAt = Date.now();
      const { replica } = (await client.daemon.status()).backups;
      const lag = replica?.lag_seconds ?? null;
      return replica !== null && replica.databases > databases && lag !== null && askedAt - lag * 1000 > from;
    },
    { timeoutMs: 300_000, what: 'replicas of all databases' },
  );
}

async function costOfReplication(
  { client }: Deployment,
  count: number,
): Promise<{ cpuPercent: number; bytes: number }> {
  const pid = (await client.daemon.status()).backups.replica?.pid ?? 0;
  const before = processStat(pid);
  await new Promise((resolve) => setTimeout(resolve, WINDOW_MS));
  const after = processStat(pid);
  if (!before || !after) throw new Error(`Litestream with ${count} databases has ended`);
  const cpuPercent = ((after.cpuSeconds - before.cpuSeconds) / (WINDOW_MS / 1000)) * 100;
  return { cpuPercent, bytes: await residentBytes(pid) };
}

async function timesOfMoves({ client }: Deployment): Promise<number[]> {
  const { items } = await client.databases.list({ per_page: MOVES });
  const times: number[] = [];
  for (const { name } of items) {
    const began = performance.now();
    await client.nodes.move(name, { node: 'n2' });
    const isThere = async () => {
      const { node, phase } = await client.databases.get(name);
      return node === 'n2' && phase === 'running';
    };
    await until(isThere, { what: name });
    times.push(performance.now() - began);
  }
  return times;
}

/** Kills everything of the first node, and waits until its databases answer at the other one. */
async function loseNode({
  one,
  first,
  two,
  count,
}: {
  one: Deployment;
  first: Daemon;
  two: Deployment;
  count: number;
}): Promise<{ leaseMs: number; firstMs: number; allMs: number }> {
  const litestream = (await one.client.daemon.status()).backups.replica?.pid ?? null;
  if (litestream === null) throw new Error('Litestream does not run');
  const { items } = await one.client.databases.list({ per_page: PAGE });
  const lost = items.filter(({ node, kind }) => node === 'n1' && kind === 'user');
  if (lost.length !== count) throw new Error(`${lost.length} databases on the first node, not ${count}`);
  const waiting = new Set(lost.map(({ name }) => name));
  const pids = [await keeperOf(fleetIdOf(one.dataDir)), litestream];
  const began = performance.now();
  first.signal('SIGKILL');
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  const isOffline = async () => {
    const nodes = await two.client.nodes.list().catch(() => null);
    return nodes?.items.some(({ name, state }) => name === 'n1' && state === 'offline') === true;
  };
  await until(isOffline, { what: 'the end of the lease' });
  const leaseMs = performance.now() - began;
  let firstMs: number | null = null;
  await until(
    async () => {
      const list = await two.client.databases.list({ per_page: PAGE }).catch(() => null);
      for (const { name, node, phase, url } of list?.items ?? []) {
        if (!waiting.has(name) || node !== 'n2' || phase !== 'running' || url === null) continue;
        const answer = await fetch(new URL('/api/health', url)).catch(() => null);
        if (answer?.ok === true) waiting.delete(name);
      }
      if (waiting.size < count) firstMs ??= performance.now() - began;
      return waiting.size === 0;
    },
    { timeoutMs: 300_000, what: () => `${waiting.size} databases to serve` },
  );
  return { leaseMs, firstMs: firstMs ?? Number.NaN, allMs: performance.now() - began };
}
