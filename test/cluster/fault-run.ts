import { availableParallelism, loadavg } from 'node:os';
import { until } from '../helpers/until.ts';
import { type TestCluster, untilSettled } from './create-cluster.ts';
import {
  applyFault,
  chooseFault,
  concernedBy,
  type Fault,
  isWithoutEtcd,
  KINDS,
  type Kind,
  mayMove,
  type Place,
} from './fault.ts';
import type { Traffic } from './traffic.ts';
import type { Attempts, Writer } from './writer.ts';

/** What Litestream sends within a second, and the time of the request. */
const LOSS_MS = 1_200;
/** Databases that a fault does not concern. */
const AWAY_MS = 1_000;
const SERVES_AFTER_MS = 30_000;
/** Until a takeover is complete, beyond the lease. */
const SIGN_IN_MS = 5_000;
/** In which the edge tries to connect to a server that does not answer, until it looks for the next owner. */
const UNREACHABLE_MS = 9_000;
/** For which processes of a server that was stopped as a whole may run, before its keeper ends them. */
const RESUMED_MS = 2_000;
/** Between two faults in a row, at most. */
const NEXT_MS = 5_000;
const PAIR_SHARE = 0.4;

export interface Run {
  cluster: TestCluster;
  writers: readonly Writer[];
  traffic: Traffic;
  /** Requests to a PocketBase that is no part of the cluster: how busy the host is. */
  control: Attempts;
  leaseSeconds: number;
  random: () => number;
}

/** Faults that happened together, and what was lost by them. */
export interface Round {
  what: string;
  from: number;
  /** Since when acknowledged writes may be lost. */
  lossFrom: number;
  /** When the control plane was taken over; null when it stayed. */
  leaderAt: number | null;
  violations: string[];
}

/** Kinds of faults, one after the other or two in a row: each kind alone first. */
export function planFaults(count: number, random: () => number): Kind[][] {
  const rounds: Kind[][] = [];
  const deck = shuffled(KINDS, random);
  const pick = () => KINDS[Math.floor(random() * KINDS.length)] as Kind;
  const alone = Math.min(deck.length, count > deck.length ? deck.length : count - 2);
  for (let left = count; left > 0; left -= rounds.at(-1)?.length ?? 1) {
    const index = rounds.length;
    const isPair = left > 1 && index >= alone && (count <= deck.length || random() < PAIR_SHARE);
    const first = index < deck.length ? (deck[index] as Kind) : pick();
    rounds.push(isPair ? [first, pick()] : [first]);
  }
  return rounds;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

const passed = (at: number) => until(() => performance.now() >= at, { what: 'a moment', timeoutMs: 120_000 });

/** Makes faults, ends them, waits until everything serves again, and compares what was promised. */
export async function runFaults(kinds: readonly Kind[], run: Run): Promise<Round> {
  const { cluster, writers, traffic, random } = run;
  const { servers, owners, watch, store } = cluster;
  const place: Place = { servers, watch, store, ownedBy: (node) => owners.ownedBy(node) };
  await untilSettled(cluster);
  const lagMs = Math.max(...(await Promise.all(servers.map(lagOf))));
  const before = new Map(owners.owners);
  const leader = owners.leader;
  const concerned = new Set<string>();
  const faults: Fault[] = [];
  const from = performance.now();
  let endsAt = from;
  for (const kind of kinds) {
    const fault = chooseFault(kind, random, place);
    if (faults.length > 0) await passed(performance.now() + random() * NEXT_MS);
    faults.push(fault);
    const isMajorityLost = new Set(faults.filter(isWithoutEtcd).map(({ server }) => server)).size > 1;
    const names = isMajorityLost ? 'all' : concernedBy(fault, place);
    for (const name of names === 'all' ? owners.owners.keys() : names) concerned.add(name);
    endsAt = Math.max(endsAt, performance.now() + fault.lastsMs);
    await applyFault(fault, place);
  }
  await passed(endsAt);
  for (const server of servers) await server.heal();
  await store.join();
  const healedAt = performance.now();
  await untilServing(run, healedAt);
  const servedMs = performance.now() - healedAt;
  await untilSettled(cluster);

  const what = faults.map((fault) => describeFault(fault, leader)).join(' + ');
  const to = performance.now();
  const violations: string[] = [];
  const factor = Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
  const controlMs = run.control.longestMs(from, to);
  const awayMs = { concerned: 0, others: 0 };
  let lostCount = 0;
  for (const writer of writers) {
    const isConcerned = concerned.has(writer.name);
    const longest = writer.attempts.longestMs(from, to);
    if (isConcerned) awayMs.concerned = Math.max(awayMs.concerned, longest);
    else awayMs.others = Math.max(awayMs.others, longest);
    if (!isConcerned && longest > AWAY_MS + 2 * controlMs)
      violations.push(`${writer.name} was away for ${longest.toFixed(0)} ms: ${writer.attempts.problems[0]}`);
    const lost = await writer.takeLost();
    lostCount += lost.length;
    const owner = owners.owners.get(writer.name);
    const isMoved = owner !== undefined && owner.epoch !== before.get(writer.name)?.epoch;
    const wrong = lost.filter(
      ({ at }) =>
        !isConcerned || !isMoved || !faults.some(mayMove) || at < from - LOSS_MS - lagMs || at > owner.since,
    );
    if (wrong.length > 0)
      violations.push(
        `${writer.name} has lost ${wrong.length} acknowledged writes: ${wrong
          .slice(0, 5)
          .map(({ title, at }) => `${title} at ${(at - from).toFixed(0)} ms`)
          .join(
            ', ',
          )}; concerned ${isConcerned}, owner since ${((owner?.since ?? 0) - from).toFixed(0)} ms, lag ${lagMs} ms`,
      );
  }
  if (servedMs > SERVES_AFTER_MS * factor) violations.push(`it served after ${servedMs.toFixed(0)} ms`);
  const signInMs = traffic.signIns.longestMs(from, to);
  const after = owners.owners.get('global');
  const leaderAt = after && after.epoch !== before.get('global')?.epoch ? after.since : null;
  if (leaderAt !== null && faults.length === 1) {
    const retriedMs = faults.some(({ kind }) => kind === 'cut' || kind === 'stopped server')
      ? UNREACHABLE_MS
      : 0;
    const most = (run.leaseSeconds * 1000 + SIGN_IN_MS + retriedMs) * factor;
    if (signInMs > most) violations.push(`no user could sign in for ${signInMs.toFixed(0)} ms`);
  }
  const paused = faults.filter(({ kind }) => kind === 'stopped server').map(({ server }) => server.name);
  for (const { name, nodes, at } of watch.overlaps.splice(0)) {
    const isResumed =
      nodes.some((node) => paused.includes(node)) &&
      at >= healedAt - RESUMED_MS &&
      at <= healedAt + RESUMED_MS * factor;
    if (!isResumed) violations.push(`${name} ran on ${nodes.join(' and ')} at ${(at - from).toFixed(0)} ms`);
  }
  console.log(
    `${new Date().toISOString()} ${what}: ${concerned.size} databases away for ${seconds(awayMs.concerned)}, others ${seconds(awayMs.others)} (control ${seconds(controlMs)}), ` +
      `sign-ins ${seconds(signInMs)}, all served ${seconds(servedMs)} after the end, ${lostCount} writes lost${violations.map((one) => `\n  WRONG: ${one}`).join('')}`,
  );
  return { what, from, lossFrom: from - LOSS_MS - lagMs, leaderAt, violations };
}

async function untilServing({ writers, traffic }: Run, since: number): Promise<void> {
  const waiting = () => writers.filter(({ attempts }) => attempts.lastSuccess < since);
  await until(() => waiting().length === 0, {
    timeoutMs: 180_000,
    what: () =>
      `databases: ${waiting()
        .map(({ name, attempts }) => `${name} (${attempts.problems[0]})`)
        .join(', ')}`,
  });
  await until(() => traffic.signIns.lastSuccess >= since, {
    timeoutMs: 180_000,
    what: () => `sign-ins: ${traffic.problems.join('; ')}`,
  });
}

async function lagOf({ fathom }: TestCluster['servers'][number]): Promise<number> {
  const { replica } = (await fathom.client.daemon.status()).backups;
  return (replica?.lag_seconds ?? 0) * 1000;
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

function describeFault({ kind, server, database, lastsMs }: Fault, leader: string | null): string {
  const where = `${server.name}${server.name === leader ? ' (leader)' : ''}`;
  return `${kind} of ${database ?? where} for ${(lastsMs / 1000).toFixed(1)} s`;
}
