import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createNode } from '../helpers/cluster-node.ts';
import { addDocument, titlesOf } from '../helpers/documents.ts';
import { hasEtcd, startEtcd } from '../helpers/etcd.ts';
import { instance, PASSWORD, signUp, untilRunning } from '../helpers/fleet-actions.ts';
import { litestream, scratchDirectory, statusOf } from '../helpers/replication.ts';
import { createStandby, killServer, replicaOf, untilLeader, untilReplicated } from '../helpers/standby.ts';
import { until } from '../helpers/until.ts';

/** Litestream, whose restores of one database wait until they are released. */
async function heldRestores(name: string): Promise<{ program: string; release: () => Promise<void> }> {
  const directory = await scratchDirectory();
  const [program, released] = [join(directory, 'litestream'), join(directory, 'released')];
  const script = `#!/bin/sh
case "$*" in
  restore*${name}*) until [ -e ${released} ]; do /bin/sleep 0.1; done ;;
esac
exec ${litestream} "$@"
`;
  await writeFile(program, script, { mode: 0o755 });
  return { program, release: () => writeFile(released, '') };
}

/** A member that takes over the database of a lost node, whose restore waits. */
async function createStage({ isStopped = false } = {}) {
  const etcd = await startEtcd();
  const one = await createNode(etcd, 'n1', replicaOf(await scratchDirectory()));
  const first = await one.start();
  const user = await signUp(one);
  await addDocument(one, user, 'before');
  const { program, release } = await heldRestores(user.name);
  const two = await createStandby(etcd, 'n2', one, { LITESTREAM_BINARY_PATH: program });
  const standby = await two.start();
  await untilReplicated(etcd, one, 'n1');
  if (isStopped) {
    await one.client.databases.stop(user.name);
    const stoppedAt = Date.now();
    const isSent = async () => {
      const askedAt = Date.now();
      const { lag_seconds: lag } = await statusOf(one);
      return lag !== null && askedAt - lag * 1000 > stoppedAt;
    };
    await until(isSent, { what: 'the replica of the control plane to have the stop' });
  }
  await killServer(one, first);
  return { one, two, user, standby, release };
}

describe.skipIf(!hasEtcd('the sign-ins of a takeover') || litestream === null)(
  'a member that takes over',
  () => {
    it('lets accounts sign in while it still restores databases that are stopped', async () => {
      const { one, two, user, standby, release } = await createStage({ isStopped: true });
      const session = await until(() => two.client.auth.login(one.admin).catch(() => null), {
        what: () => `a sign-in: ${standby.output()}`,
      });
      expect(session.user.role).toBe('admin');
      expect(await two.client.daemon.status()).toMatchObject({
        ready: false,
        waiting_for: 'the databases of this node',
      });
      await expect(signUp(two)).rejects.toMatchObject({ code: 'daemon.starting' });

      const own = two.client.auth.login({ email: user.email, password: PASSWORD });
      await release();
      expect((await own).database).toMatchObject({ name: user.name, status: 'Stopped' });
      await untilLeader(standby);
      expect(titlesOf(two, user)).toEqual(['before']);
    });

    it('is ready while it still restores databases that run', async () => {
      const { two, user, standby, release } = await createStage();
      await untilLeader(standby);
      const other = await signUp(two);
      expect((await instance(two, user.name)).phase).toBe('starting');
      await release();
      await untilRunning(two, user.name);
      expect(titlesOf(two, user)).toEqual(['before']);
      expect(titlesOf(two, other)).toEqual([]);
    });
  },
);
