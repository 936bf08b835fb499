import { expect, it } from 'vitest';
import { scratch } from '../../test/helpers/scratch.ts';
import { silentLog } from '../../test/helpers/silent-log.ts';
import { ReplicaPaths } from './replica-paths.ts';

it('notes a replica each time, one call after the other, and none of an earlier owner', async () => {
  const calls: string[] = [];
  let answer = Promise.withResolvers<void>();
  let epoch = 1;
  const cluster = {
    allowsTakeover: true,
    ownershipOf: () => ({ epoch }),
    async recordReplica({ path }: { path: string }) {
      calls.push(path);
      await answer.promise;
    },
  };
  const paths = new ReplicaPaths({ dataDir: await scratch(), cluster, log: silentLog });
  const replica = await paths.of('a');
  const registered = { name: 'a', directory: '/a', replica };
  const first = paths.record(registered);
  await paths.record(registered);
  answer.resolve();
  await first;
  expect(calls).toEqual([replica]);
  answer = Promise.withResolvers();
  answer.resolve();
  await paths.record(registered);
  expect(calls).toEqual([replica, replica]);
  epoch = 2;
  await paths.record(registered);
  expect(calls).toHaveLength(2);
});
