import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hashFile } from '../../daemon/base/files/hash-file.ts';
import type { ClusterNode } from '../../shared/api/nodes.ts';
import { createNode } from '../helpers/cluster-node.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { addDocument, readAsOwner, titlesOf, writeUntilRefused } from '../helpers/documents.ts';
import { hasEtcd, startEtcd } from '../helpers/etcd.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { signUp, signUpMany, type Tenant, untilInstance, untilRunning } from '../helpers/fleet-actions.ts';
import { litestream, scratchDirectory } from '../helpers/replication.ts';
import {
  createStandby,
  killServer,
  ownersIn,
  replicaOf,
  sharesIn,
  untilLeader,
  untilMovable,
} from '../helpers/standby.ts';
import { until } from '../helpers/until.ts';

async function nodes(words: readonly string[], on: Deployment) {
  return fathomd(['nodes', ...words, '--json', '--socket', on.socketPath]);
}

const dataOf = ({ dataDir }: Deployment, { name }: Tenant) =>
  join(dataDir, 'user_dbs', name, 'pb_data', 'data.db');

describe.skipIf(!hasEtcd('the tests of drains') || litestream === null)('a node that is drained', () => {
  it('gives all databases away without a loss, says what stays, and goes on after it was killed', async () => {
    const etcd = await startEtcd();
    const one = await createNode(etcd, 'n1', {
      ...replicaOf(await scratchDirectory()),
      // Longer than the next start of the daemon takes on a busy host.
      FATHOM_LEASE_SECONDS: '30',
    });
    const first = await one.start();
    const busy = await signUpMany(one, 3);
    const [stopped, asleep, archived] = [await signUp(one), await signUp(one), await signUp(one)];
    for (const tenant of [...busy, stopped, asleep]) {
      await addDocument(one, tenant, 'before');
    }
    expect((await nodes(['drain', 'n1'], one)).stderr).toContain(
      'no other node can take the databases of n1',
    );
    const two = await createStandby(etcd, 'n2', one);
    await two.start();
    await untilMovable(etcd);
    await fathomd(['databases', 'archive', archived.name, '--yes', '--socket', one.socketPath]);
    await untilInstance(one, archived.name, ({ reason }) => reason?.code === 'archived', 'to be archived');
    await one.client.databases.stop(stopped.name);
    await untilInstance(one, stopped.name, ({ phase }) => phase === 'stopped', 'to stop');
    await one.client.databases.sleep(asleep.name, { force: true });
    await untilInstance(one, asleep.name, ({ phase }) => phase === 'asleep', 'to sleep');
    const sha256 = await hashFile(dataOf(one, stopped));

    const writes = busy.map((tenant) => writeUntilRefused(one, tenant));
    // The drain goes on without the command, and without the daemon that was killed.
    const drained = nodes(['drain', 'n1'], two);
    await until(async () => ((await sharesIn(etcd))['n2'] ?? 0) > 0, {
      what: async () => `a first move: ${JSON.stringify(await sharesIn(etcd))}\n${first.output()}`,
    });
    first.signal('SIGKILL');
    await first.exited;
    const again = await one.start();
    const result = await drained;
    expect(result.exitCode, again.output()).toBe(1);
    const { drain } = JSON.parse(result.stdout) as ClusterNode;
    expect(drain).toMatchObject({
      control_plane: true,
      progress: {
        left: 1,
        moving: 0,
        failed: 1,
        problems: [{ name: archived.name, message: expect.stringContaining('is archived') as string }],
      },
    });
    expect(await sharesIn(etcd)).toEqual({ n1: 2, n2: 5 });
    const shown = await fathomd(['nodes', 'list', '--socket', two.socketPath]);
    expect(shown.stderr).toContain(`databases that do not move from n1 now: 1. ${archived.name}: `);

    expect(await hashFile(dataOf(two, stopped))).toBe(sha256);
    await untilInstance(two, stopped.name, ({ phase }) => phase === 'stopped', 'to be there, stopped');
    for (const [index, tenant] of busy.entries()) {
      await untilRunning(two, tenant.name);
      const acknowledged = ['before', ...((await writes[index]) ?? [])];
      expect(titlesOf(two, tenant)).toEqual(expect.arrayContaining(acknowledged));
    }
    await untilRunning(two, asleep.name);
    expect(titlesOf(two, asleep)).toEqual(['before']);
    expect(await readAsOwner(two, asleep)).toEqual([['before', 'file of before']]);

    // What is new, and what could not move, follows. Nothing comes back before the end of the drain.
    const late = await signUp(one);
    await one.client.databases.start(archived.name);
    await untilRunning(one, archived.name);
    const second = await nodes(['drain', 'n1'], one);
    expect(second.exitCode, second.stdout + again.output()).toBe(0);
    expect(await sharesIn(etcd)).toEqual({ n1: 1, n2: 7 });
    await untilRunning(two, late.name);
    const move = ['databases', 'move', late.name, 'n1', '--socket', two.socketPath];
    await until(
      async () =>
        (await ownersIn(etcd)).every(
          ({ node, source, epoch }) => node === 'n1' || source?.endsWith(`/e${epoch}`) || epoch > 1,
        ),
      { what: async () => JSON.stringify(await ownersIn(etcd)) },
    );
    expect((await fathomd(move)).stderr).toContain('n1 cannot take the database: it is drained');
    const list = await fathomd(['nodes', 'list', '--socket', one.socketPath]);
    expect(list.stdout).toMatch(/n1 +online, drained .* 0 /);
    expect((await nodes(['undrain', 'n1'], two)).exitCode).toBe(0);
    await until(async () => (await fathomd(move)).exitCode === 0, { what: () => 'a move to n1' });
    await untilRunning(one, late.name);
  }, 300_000);

  it('takes over nothing, until it is undrained', async () => {
    const etcd = await startEtcd();
    const one = await createNode(etcd, 'n1', replicaOf(await scratchDirectory()));
    const first = await one.start();
    const user = await signUp(one);
    const two = await createStandby(etcd, 'n2', one);
    const second = await two.start();
    await until(async () => (await ownersIn(etcd)).every(({ source }) => source !== null), {
      what: async () => JSON.stringify(await ownersIn(etcd)),
    });
    expect((await nodes(['drain', 'n2'], one)).exitCode).toBe(0);
    expect((await nodes(['drain', 'n1'], one)).stderr).toContain('n2: it is drained');
    await killServer(one, first);
    await until(
      async () =>
        (await two.client.nodes.list()).items.some(({ name, state }) => name === 'n1' && state === 'offline'),
      { what: () => 'n1 to be offline' },
    );
    expect(await sharesIn(etcd)).toEqual({ n1: 2 });
    // The takeover can begin before the answer, and breaks the connection.
    await nodes(['undrain', 'n2'], two);
    await untilLeader(second);
    await untilRunning(two, user.name);
    expect(await sharesIn(etcd)).toEqual({ n2: 2 });
  });
});
