import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { until } from '../../../test/helpers/until.ts';
import { BackupFailed, BackupProcesses } from './backup-processes.ts';

const WRITER = {
  host: '7f0c2f57-8a5f-4b07-9b3a-1c8e3b0f7a10',
  daemon: '7f0c2f57-8a5f-4b07-9b3a-1c8e3b0f7a20',
};
const KEYS = { masters: [{ id: 'abcd1234', key: Buffer.alloc(32) }], recovery: null } as const;

let root: string;
let processes: BackupProcesses;

beforeEach(async () => {
  root = await scratch();
  await mkdir(join(root, 'pb_data'));
  using database = new DatabaseSync(join(root, 'pb_data', 'data.db'));
  database.exec('CREATE TABLE t (x); INSERT INTO t VALUES (randomblob(80000000))');
  processes = new BackupProcesses(1);
  onTestFinished(() => processes.close());
  await processes.run({
    kind: 'prepare',
    target: target(),
    claim: { ...WRITER, isFirst: true, restoredFrom: null, expected: null, isAccepted: false },
    keys: KEYS,
    secrets: {},
    rewrap: false,
  });
});

const target = () => join(root, 'target');

const backUp = () =>
  processes.run({
    kind: 'backup',
    target: target(),
    writer: WRITER,
    keys: KEYS,
    source: { database: 'ann', dataDir: join(root, 'pb_data'), scratchDir: join(root, 'scratch') },
    at: new Date(),
    reserve: { directory: root, bytes: 0 },
  });

/** The process ids of running backups. */
async function running(): Promise<number[]> {
  const children = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8');
  const pids = children.split(' ').filter(Boolean).map(Number);
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8')));
  return pids.filter((_, at) => commands[at]?.includes('backup-process-main'));
}

/** Some of a backup is stored. */
const hasBegun = async () =>
  (await readdir(join(target(), 'chunks'), { recursive: true }).catch(() => [])).length > 4;

it('ends a backup alone when its process is killed, and the next one completes it', async () => {
  const failed = expect(backUp()).rejects.toThrow('the backup failed: its process has ended (SIGKILL)');
  await until(hasBegun, { what: 'chunks' });
  for (const pid of await running()) process.kill(pid, 'SIGKILL');
  await failed;
  expect(await backUp()).toMatchObject({ stored_chunks: expect.any(Number) as number });
  expect(await backUp()).toMatchObject({ stored_chunks: 0 });
});

it('ends all processes in the middle of their work', async () => {
  const failed = expect(backUp()).rejects.toThrow(BackupFailed);
  const waiting = expect(backUp()).rejects.toThrow('the daemon stops');
  await until(hasBegun, { what: 'chunks' });
  expect(await running()).toHaveLength(1);
  await processes.close();
  expect(await running()).toEqual([]);
  await failed;
  await waiting;
});
