import { describe, expect, it } from 'vitest';
import { createNode } from '../helpers/cluster-node.ts';
import { titlesOf } from '../helpers/documents.ts';
import { hasEtcd, startEtcd } from '../helpers/etcd.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { ownerOf, signUpMany, untilRunning } from '../helpers/fleet-actions.ts';
import { litestream, scratchDirectory } from '../helpers/replication.ts';
import { createStandby, killServer, replicaOf, sharesIn, untilMovable } from '../helpers/standby.ts';
import { until } from '../helpers/until.ts';

describe.skipIf(!hasEtcd('the tests of placement') || litestream === null)(
  'databases of several nodes',
  () => {
    it('are spread by a drain, and by the loss of a node, over those that are not drained', async () => {
      const etcd = await startEtcd();
      const one = await createNode(etcd, 'n1', replicaOf(await scratchDirectory()));
      await one.start();
      const users = await signUpMany(one, 4);
      for (const user of users)
        await (await ownerOf(one, user)).collection('documents').create({ title: 'before' });
      const [two, three] = [await createStandby(etcd, 'n2', one), await createStandby(etcd, 'n3', one)];
      const second = await two.start();
      const third = await three.start();
      const drained = await fathomd(['nodes', 'drain', 'n1', '--socket', one.socketPath]);
      expect(drained.exitCode, drained.stderr).toBe(0);
      expect(drained.stdout).toContain('has the control plane');
      const shares = await sharesIn(etcd);
      expect(shares).toMatchObject({ n1: 1 });
      expect(Math.abs((shares['n2'] ?? 0) - (shares['n3'] ?? 0)), JSON.stringify(shares)).toBeLessThanOrEqual(
        2,
      );

      const onTwo = (await two.client.databases.list()).items.map(({ name }) => name);
      for (const name of onTwo) await untilRunning(two, name);
      await untilMovable(etcd);
      await killServer(two, second);
      await until(async () => (await sharesIn(etcd))['n3'] === 4, {
        what: async () => `n3 to have all: ${JSON.stringify(await sharesIn(etcd))}`,
      });
      for (const user of users) {
        await untilRunning(three, user.name);
        expect(titlesOf(three, user), third.output()).toEqual(['before']);
      }
      expect(await sharesIn(etcd)).toEqual({ n1: 1, n3: 4 });
    }, 300_000);

    it('move to a node that has fewer, until both have as many', async () => {
      const etcd = await startEtcd();
      const one = await createNode(etcd, 'n1', {
        ...replicaOf(await scratchDirectory()),
        FATHOM_MOVES_PER_HOUR: '3600',
      });
      const first = await one.start();
      const users = await signUpMany(one, 5);
      for (const user of users)
        await (await ownerOf(one, user)).collection('documents').create({ title: 'before' });
      const two = await createStandby(etcd, 'n2', one, { FATHOM_MOVES_PER_HOUR: '3600' });
      await two.start();
      await untilMovable(etcd);
      // The others are in use: they stay.
      const [used, ...idle] = users.map(({ name }) => name);
      for (const name of idle) await one.client.databases.stop(name);
      await until(async () => (await sharesIn(etcd))['n2'] === 2, {
        what: async () => `two databases at n2: ${JSON.stringify(await sharesIn(etcd))}\n${first.output()}`,
      });
      // A node that is drained gives all, and gets none back.
      await fathomd(['nodes', 'drain', 'n2', '--socket', one.socketPath]);
      await until(async () => (await sharesIn(etcd))['n1'] === 6, {
        what: async () => `all databases at n1: ${JSON.stringify(await sharesIn(etcd))}`,
      });
      await untilRunning(one, used ?? '');
      for (const user of users) expect(titlesOf(one, user)).toEqual(['before']);
    }, 300_000);
  },
);
