import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { seeded } from '../chaos/random.ts';
import { createNode } from '../helpers/cluster-node.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { hasEtcd } from '../helpers/etcd.ts';
import { FATHOMD } from '../helpers/fathomd.ts';
import { signUp } from '../helpers/fleet-actions.ts';
import { EDGE_SETTINGS, hasHaproxy, hostOfDatabase, startClusterEdge } from '../helpers/haproxy.ts';
import { fleetIdOf, keeperOf } from '../helpers/leaks.ts';
import { litestream, statusOf } from '../helpers/replication.ts';
import { findS3Server, startS3Server } from '../helpers/s3-server.ts';
import { createStandby, killServer, ownersIn, replicaOf, untilReplicated } from '../helpers/standby.ts';
import { until } from '../helpers/until.ts';
import { type Member, startMembers } from './etcd-members.ts';
import { createNetwork, type Host, hasNamespaces } from './network.ts';
import { ProcessWatch } from './process-watch.ts';
import { Writer } from './writer.ts';

const NAME = 'the faults of a cluster';
/** Longer than an election of etcd takes on a busy host. */
const LEASE_SECONDS = 10;
/** What Litestream sends within a second, and the time of the request. */
const LOSS_MS = 1_200;
const FAULTS = ['kill', 'cut', 'stall'] as const;
const WRITES_AFTER_FAULT = 20;

const s3 = await findS3Server(NAME);
const parts = [hasEtcd(NAME), hasHaproxy(NAME), hasNamespaces(NAME), litestream !== null, s3 !== null];

interface Server {
  name: string;
  host: Host;
  member: Member;
  fathom: Deployment;
  daemon: Daemon;
}

interface Fault {
  kind: (typeof FAULTS)[number];
  from: number;
  to: number;
  lagMs: number;
}

const serveAt = ({ within }: Host): readonly [string, ...string[]] => [...within, FATHOMD, 'serve'];

describe.skipIf(!parts.every(Boolean))('a cluster of three servers', () => {
  it('keeps one writer and all acknowledged writes through faults, but those of the last second', async () => {
    const seed = Number(process.env['FATHOM_CLUSTER_SEED'] ?? randomInt(2 ** 31));
    console.log(`seed ${seed} (FATHOM_CLUSTER_SEED repeats it)`);
    const network = await createNetwork(['h1', 'h2', 'h3', 'edge', 's3']);
    const { urls, members } = await startMembers([network.h1, network.h2, network.h3]);
    await using store = await startS3Server(s3 ?? '', network.s3);
    await store.createBucket('replica');
    const replica = `s3://replica/fleet?endpoint=${store.url}&region=us-east-1`;
    const settingsOf = ({ address }: Host) => ({
      ...EDGE_SETTINGS,
      ...store.credentials,
      FATHOM_NODE_ADDRESS: address,
      SERVER_HOST: address,
      PB_BIND_ADDRESS: address,
      TRUSTED_PROXIES: network.edge.address,
      FATHOM_LEASE_SECONDS: String(LEASE_SECONDS),
    });
    const etcd = { url: urls };
    const one = await createNode(etcd, 'n1', { ...replicaOf(replica), ...settingsOf(network.h1) });
    const first = await one.start({}, serveAt(network.h1));
    const ann = await signUp(one, 'ann');
    const two = await createStandby(etcd, 'n2', one, settingsOf(network.h2));
    let serving: Server = {
      name: 'n1',
      host: network.h1,
      member: members[0] as Member,
      fathom: one,
      daemon: first,
    };
    let standby: Server = {
      name: 'n2',
      host: network.h2,
      member: members[1] as Member,
      fathom: two,
      daemon: two.launch({}, serveAt(network.h2)),
    };
    const edge = await startClusterEdge(etcd, network.edge);
    const watch = new ProcessWatch(
      new Map([one, two].map(({ dataDir }) => [dataDir, join(dataDir, 'user_dbs', ann.name)])),
    );
    const writer = new Writer(edge, hostOfDatabase(ann.name), ann.ownerToken);
    const untilWritten = async (count: number) => {
      const before = writer.acknowledged.length;
      await until(() => writer.acknowledged.length >= before + count, {
        timeoutMs: 120_000,
        what: () => `writes: ${edge.log().slice(-2000)}\n${serving.daemon.output().slice(-3000)}`,
      });
    };
    // A member, or a node that waits for the control plane of another one.
    const untilBehind = ({ daemon }: Server, owner: string) =>
      until(() => /this node is a member|the daemon waits for .*node \S+ owns global/.test(daemon.output()), {
        timeoutMs: 120_000,
        what: () => `the node behind ${owner}: ${daemon.output().slice(-3000)}`,
      });
    const untilTakenOver = async () => {
      const { name, daemon } = standby;
      await until(async () => (await ownersIn(etcd)).every(({ node }) => node === name), {
        timeoutMs: 120_000,
        what: () => `the takeover: ${daemon.output().slice(-3000)}`,
      });
      [serving, standby] = [standby, serving];
      await untilWritten(WRITES_AFTER_FAULT);
    };
    const relaunch = async () => {
      await standby.daemon.exited;
      standby = { ...standby, daemon: standby.fathom.launch({}, serveAt(standby.host)) };
    };

    const faults: Fault[] = [];
    try {
      await untilWritten(WRITES_AFTER_FAULT);
      for (const kind of shuffled(FAULTS, seeded(seed))) {
        await untilBehind(standby, serving.name);
        await untilReplicated(etcd, serving.fathom, serving.name);
        const lagMs = ((await statusOf(serving.fathom)).lag_seconds ?? 0) * 1000;
        writer.takeLongestMs();
        const from = performance.now();
        const broken = serving;
        if (kind === 'stall') {
          const keeper = await keeperOf(fleetIdOf(broken.fathom.dataDir));
          process.kill(keeper, 'SIGSTOP');
          await untilWritten(WRITES_AFTER_FAULT);
          process.kill(keeper, 'SIGCONT');
        } else if (kind === 'kill') {
          await killServer(broken.fathom, broken.daemon);
          await broken.member.kill();
        } else await broken.host.cut();
        faults.push({ kind, from, to: performance.now(), lagMs });
        if (kind !== 'stall') await untilTakenOver();
        console.log(`${kind}: writes waited for ${(writer.takeLongestMs() / 1000).toFixed(1)} s`);
        if (kind === 'stall') continue;
        if (kind === 'kill') broken.member.start();
        else await broken.host.join();
        await relaunch();
      }
      await untilWritten(WRITES_AFTER_FAULT);
      await writer.stop();
      watch.stop();

      const stored = await writer.stored();
      const lost = writer.acknowledged.filter(({ title }) => !stored.has(title));
      const mayBeLost = (at: number) =>
        faults.some(
          ({ kind, from, to, lagMs }) => kind !== 'stall' && at >= from - LOSS_MS - lagMs && at <= to,
        );
      console.log(
        `${writer.acknowledged.length} writes, ${lost.length} lost, with a lease of ${LEASE_SECONDS} s`,
      );
      expect(lost.filter(({ at }) => !mayBeLost(at))).toEqual([]);
      expect(watch.overlaps).toEqual([]);
      expect(watch.looks).toBeGreaterThan(WRITES_AFTER_FAULT);
    } finally {
      watch.stop();
      await writer.stop();
    }
  });
});

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
