import { cp, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { upgradeNode } from '../../daemon/cli/host/upgrade/upgrade-node.ts';
import { createNode } from '../helpers/cluster-node.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { addDocument, titlesOf, writeUntilRefused } from '../helpers/documents.ts';
import { hasEtcd, startEtcd } from '../helpers/etcd.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { signUp, signUpMany, untilInstance, untilRunning } from '../helpers/fleet-actions.ts';
import { litestream, scratchDirectory } from '../helpers/replication.ts';
import { createStandby, replicaOf, sharesIn, untilMovable } from '../helpers/standby.ts';

const PACKAGE = join(import.meta.dirname, '..', '..');
const NEXT = '99.0.0';

/** This package with a later version. */
async function makeNextRelease(): Promise<readonly [string, string]> {
  const root = await scratchDirectory();
  for (const name of ['bin', 'dist']) {
    await cp(join(PACKAGE, name), join(root, name), { recursive: true });
  }
  for (const name of ['node_modules', 'pb_apps', 'pb_hooks', 'pb_migrations', 'proto'])
    await symlink(join(PACKAGE, name), join(root, name));
  const manifest = JSON.parse(await readFile(join(PACKAGE, 'package.json'), 'utf8')) as object;
  await writeFile(join(root, 'package.json'), JSON.stringify({ ...manifest, version: NEXT }));
  return [join(root, 'bin', 'fathomd'), 'serve'];
}

interface Attempt {
  /** Installs the next release: false when it does not run. Without it, the release is installed already. */
  install?: () => Promise<boolean>;
  interrupted?: AbortSignal;
}

/** `fathomd upgrade --cluster` on a node, with another way to install a release. */
async function upgrade(on: Deployment, { install, interrupted = new AbortController().signal }: Attempt) {
  const printed: string[] = [];
  const result = await upgradeNode({
    client: on.client,
    change: async (prepare) => {
      if (install === undefined) return true;
      await prepare();
      return install();
    },
    print: (line) => printed.push(line),
    interrupted,
    stderr: { write: (text) => printed.push(text.trimEnd()) },
  }).catch((error: unknown) => String(error));
  return { result, printed: printed.join('\n') };
}

/** Its databases run on, as when systemd restarts it. */
async function replace(
  fathom: Deployment,
  before: Daemon,
  command: readonly [string, string],
): Promise<true> {
  before.signal('SIGKILL');
  await before.exited;
  await fathom.start({}, command);
  return true;
}

describe.skipIf(!hasEtcd('the tests of upgrades') || litestream === null)('an upgrade of a cluster', () => {
  it('drains one node after the other, goes on after an interruption, and loses no write', async () => {
    const next = await makeNextRelease();
    const etcd = await startEtcd();
    const one = await createNode(etcd, 'n1', {
      ...replicaOf(await scratchDirectory()),
      // Longer than the next start of the daemon takes on a busy host.
      FATHOM_LEASE_SECONDS: '30',
    });
    const first = await one.start();
    const drainOf = async (name: string) =>
      (await one.client.nodes.list()).items.find((node) => node.name === name)?.drain;
    const busy = await signUpMany(one, 3);
    const archived = await signUp(one);
    for (const tenant of busy) await addDocument(one, tenant, 'before');

    const alone = await upgrade(one, { install: () => Promise.reject(new Error('it is not drained')) });
    expect(alone.result).toContain('node n1 is not upgraded now: no other node has its fleet');
    expect(alone.printed).toContain('node n1 is not drained');

    const two = await createStandby(etcd, 'n2', one, { FATHOM_LEASE_SECONDS: '30' });
    const second = await two.start();
    await untilMovable(etcd);
    await fathomd(['databases', 'archive', archived.name, '--yes', '--socket', one.socketPath]);
    await untilInstance(one, archived.name, ({ reason }) => reason?.code === 'archived', 'to be archived');

    const writes = busy.map((tenant) => writeUntilRefused(one, tenant));
    // Ctrl-C while databases move: the state has a name, and other nodes wait for it.
    const ctrlC = new AbortController();
    ctrlC.abort();
    const begun = await upgrade(one, { install: () => Promise.resolve(true), interrupted: ctrlC.signal });
    expect(begun.result).toContain('interrupted; the release is unchanged');
    expect(begun.printed).toContain('node n1 stays drained for its upgrade: run the same command again');
    expect(await drainOf('n1')).toMatchObject({ purpose: 'upgrade' });
    const shown = await fathomd(['nodes', 'list', '--socket', two.socketPath]);
    expect(shown.stdout).toMatch(/n1 +online, drained for upgrade /);
    const early = await upgrade(two, { install: () => Promise.resolve(true) });
    expect(early.result).toContain('n1 is drained for its upgrade');
    expect(await drainOf('n2')).toBeNull();

    const done = await upgrade(one, {
      install: async () => {
        expect(await sharesIn(etcd)).toEqual({ n1: 2, n2: 3 });
        return replace(one, first, next);
      },
    });
    expect(done.result, done.printed).toBe(true);
    expect(done.printed).toContain(`databases without a process stay on n1: ${archived.name}`);
    expect(done.printed).toContain('the control plane stays on n1');
    expect(done.printed).toContain(`nodes with an earlier version of Fathom than ${NEXT}: n2 (`);
    expect(await drainOf('n1')).toBeNull();
    const versions = await fathomd(['nodes', 'list', '--socket', two.socketPath]);
    expect(versions.stderr).toContain(`nodes with an earlier version of Fathom than ${NEXT}: n2 (`);
    for (const [index, tenant] of busy.entries()) {
      await untilRunning(two, tenant.name);
      const acknowledged = ['before', ...((await writes[index]) ?? [])];
      expect(titlesOf(two, tenant)).toEqual(expect.arrayContaining(acknowledged));
    }

    // A release that does not run: the node is drained until the next attempt.
    await untilMovable(etcd);
    const failed = await upgrade(two, { install: () => Promise.resolve(false) });
    expect(failed.result, failed.printed).toBe(false);
    expect(failed.printed).toContain('node n2 stays drained for its upgrade');
    expect(await sharesIn(etcd)).toEqual({ n1: 5 });
    const last = await upgrade(two, { install: () => replace(two, second, next) });
    expect(last.result, last.printed).toBe(true);
    expect(last.printed).toContain(`all nodes that are online have version ${NEXT}`);
    expect(await drainOf('n2')).toBeNull();
    for (const tenant of busy) await untilRunning(one, tenant.name);

    // What was killed after the new release ran is finished. A drain of an administrator stays.
    await one.client.nodes.drain('n2', { purpose: 'upgrade' });
    expect((await upgrade(two, {})).printed).toContain('node n2 takes databases again');
    await one.client.nodes.drain('n2');
    const kept = await upgrade(two, { install: () => Promise.resolve(true) });
    expect(kept.result, kept.printed).toBe(true);
    expect(kept.printed).toContain('node n2 was drained for maintenance, and stays so');
    expect(await drainOf('n2')).toMatchObject({ purpose: 'maintenance' });
  }, 300_000);
});
