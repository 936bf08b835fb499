import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createClient } from '../../shared/client/fathom-client.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { FATHOMD } from '../helpers/fathomd.ts';
import { deployment } from '../helpers/harness.ts';
import { OTHER_ACCOUNT, otherAccountProblem } from '../helpers/other-account.ts';
import { finished } from '../helpers/queue.ts';
import { textWith } from '../helpers/text-with.ts';

const isRoot = process.getuid?.() === 0;
/** One that this user may give files to, and that is not its own where that is possible. */
const [group] = isRoot ? [1] : (process.getgroups?.() ?? []).filter((gid) => gid !== process.getgid?.());

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fathom-socket-'));
  return () => rm(directory, { recursive: true, force: true });
});

const socketOf = (name: string) => join(directory, name, 'fathomd.sock');

it('opens to its owner, and to the group that is configured', async () => {
  const fathom = await deployment({ FATHOM_SOCKET: socketOf('a') });
  await fathom.start(group === undefined ? {} : { FATHOM_SOCKET_GROUP: String(group) });
  const [socket, place] = await Promise.all([stat(fathom.socketPath), stat(dirname(fathom.socketPath))]);
  expect(socket.mode & 0o777).toBe(0o660);
  expect(place.mode & 0o777).toBe(group === undefined ? 0o700 : 0o710);
  if (group !== undefined) expect([socket.gid, place.gid]).toEqual([group, group]);
});

it('does not open to a group that is not there, may not be given, or could not reach it', async () => {
  const fathom = await deployment();
  const refused = async (env: Record<string, string>, command?: readonly [string, ...string[]]) => {
    const daemon = fathom.launch(env, command);
    onTestFinished(() => void daemon.stop());
    expect(await daemon.exited).toBe(78);
    return daemon.output();
  };
  const outside = { FATHOM_SOCKET: socketOf('b') };
  expect(await refused({ ...outside, FATHOM_SOCKET_GROUP: 'no-such-group' })).toEqual(
    textWith('FATHOM_SOCKET_GROUP', "'no-such-group'"),
  );
  expect(await refused({ FATHOM_SOCKET_GROUP: 'root' })).toEqual(
    textWith('FATHOM_SOCKET_GROUP', fathom.dataDir),
  );
  const unprivileged = isRoot ? (['setpriv', '--bounding-set=-chown', FATHOMD, 'serve'] as const) : undefined;
  expect(await refused({ ...outside, FATHOM_SOCKET_GROUP: isRoot ? '2' : '0' }, unprivileged)).toEqual(
    textWith('FATHOM_SOCKET_GROUP'),
  );
});

/** Prints the status of a response of the socket, or the code of the error. */
const ASK = `
  require('node:http')
    .get({ socketPath: process.argv[1], path: '/api/v1/status' }, (response) => {
      response.resume();
      console.log(response.statusCode);
    })
    .on('error', ({ code }) => console.log(code));`;

const REFUSED = /^(?:ECONNRESET|EPIPE)$/;

/** Asks as another account, with these groups. */
async function ask(socketPath: string, groups: readonly number[]): Promise<string> {
  const account = [`--reuid=${OTHER_ACCOUNT}`, `--regid=${OTHER_ACCOUNT}`];
  const membership = groups.length === 0 ? '--clear-groups' : `--groups=${groups.join(',')}`;
  const { stdout } = await execa('setpriv', [
    ...account,
    membership,
    process.execPath,
    '-e',
    ASK,
    socketPath,
  ]);
  return stdout;
}

async function openToAll(fathom: Deployment): Promise<void> {
  await chmod(dirname(fathom.socketPath), 0o755);
  await chmod(fathom.socketPath, 0o666);
}

describe('a socket whose file everyone can open', () => {
  const problem = otherAccountProblem();

  beforeAll(() => chmod(directory, 0o755));

  it('still refuses another account', async ({ skip }) => {
    if (problem !== null) skip(problem);
    const fathom = await deployment({ FATHOM_SOCKET: socketOf('c') });
    const daemon = await fathom.start();
    await openToAll(fathom);
    expect(await ask(fathom.socketPath, [])).toMatch(REFUSED);
    expect(await ask(fathom.socketPath, [1])).toMatch(REFUSED);
    expect((await fathom.client.daemon.status()).ready).toBe(true);
    expect(daemon.output()).toEqual(textWith(`uid ${OTHER_ACCOUNT}`));
  });

  it('admits the members of its group', async ({ skip }) => {
    if (problem !== null) skip(problem);
    const fathom = await deployment({ FATHOM_SOCKET: socketOf('d') });
    await fathom.start({ FATHOM_SOCKET_GROUP: '1' });
    await openToAll(fathom);
    expect(await ask(fathom.socketPath, [7, 1])).toBe('200');
    // More groups than fit into one answer of the kernel.
    expect(
      await ask(fathom.socketPath, [...Array.from({ length: 2000 }, (_, index) => 100 + index), 1]),
    ).toBe('200');
    expect(await ask(fathom.socketPath, [7])).toMatch(REFUSED);
  });

  it('is checked in the same way when systemd has opened it', async ({ skip }) => {
    if (problem !== null) skip(problem);
    const { failed } = await execa('systemd-socket-activate', ['--version'], { reject: false });
    if (failed) skip('needs systemd-socket-activate');
    const fathom = await deployment({ FATHOM_SOCKET: socketOf('e') });
    await mkdir(dirname(fathom.socketPath), { mode: 0o755 });
    // It passes on only the variables that are named.
    const activate =
      'exec systemd-socket-activate -l "$FATHOM_SOCKET" $(env | sed "s/=.*//; s/^/-E /") "$0" serve';
    const daemon = await fathom.start({}, ['sh', '-c', activate, FATHOMD]);
    await openToAll(fathom);
    // The group of the file is that of this user, which the other account is not a member of.
    expect(await ask(fathom.socketPath, [7])).toMatch(REFUSED);
    expect(await ask(fathom.socketPath, [0])).toBe('200');
    expect(await daemon.stop()).toBe(0);
  });
});

it('refuses handlers of tasks', async () => {
  const fathom = await deployment();
  await mkdir(join(fathom.dataDir, 'tasks'));
  const handler = `
    import { get } from 'node:http';
    export default (socketPath) =>
      new Promise((resolve) => {
        get({ socketPath, path: '/api/v1/status' }, ({ statusCode }) => resolve(statusCode)).on('error', ({ code }) =>
          resolve(code),
        );
      });`;
  await writeFile(join(fathom.dataDir, 'tasks', 'ask.mjs'), handler);
  await fathom.start();
  const { id } = await fathom.client.queue.add({ type: 'ask', payload: fathom.socketPath });
  expect((await finished(fathom, id)).result).toMatch(REFUSED);
});

it('admits the doctor that the daemon runs', async () => {
  const fathom = await deployment();
  await fathom.start();
  const { findings } = await fathom.client.daemon.doctor();
  expect(findings.find(({ id }) => id === 'daemon')?.level).toBe('ok');
});

it('records the user of a caller in the audit log', async () => {
  const fathom = await deployment();
  await fathom.start();
  await createClient({ target: { socketPath: fathom.socketPath } }).queue.pause();
  const { items } = await fathom.client.audit.list({ action: 'queue.pause' });
  expect(JSON.parse(items[0]?.detail ?? '{}')).toMatchObject({ uid: process.getuid?.() });
});
