import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { FATHOMD } from '../helpers/fathomd.ts';
import { deployment } from '../helpers/harness.ts';
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
