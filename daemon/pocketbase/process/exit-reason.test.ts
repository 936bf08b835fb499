import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { compareVersions } from '../../../shared/version.ts';
import { type BareInstance, bareInstance } from '../../../test/helpers/bare-instance.ts';
import { testedPocketBase } from '../../../test/helpers/tested-pocketbase.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import { verifyBinary } from '../binary/binary.ts';
import { ENCRYPTION_VARIABLE, type InstanceCommand } from './command.ts';
import { exitReason } from './exit-reason.ts';

/** PocketBase exits with it where a command fails. Up to 0.39, it is that of success. */
const { version } = await verifyBinary(await testedPocketBase());
const failureCode = compareVersions(version, '0.40.0') < 0 ? 0 : 1;

const INSTANCE = { name: '2024-01-15-001-jo', kind: 'user' } as const;

/** Starts an instance that ends by itself, and returns the reason. */
async function reasonOf(instance: BareInstance, changes: Partial<InstanceCommand> = {}) {
  const from = await instance.log.end();
  const process = await instance.start(changes);
  const exit = await process.exited;
  return { exit, reason: exitReason(exit, await instance.log.tail(500, from), INSTANCE) };
}

/** Leaves a data directory as after a run. */
async function runOnce(instance: BareInstance): Promise<void> {
  const process = await instance.start();
  await instance.untilReady();
  process.signal('SIGTERM');
  // PocketBase listens before it handles signals.
  expect([
    { code: 0, signal: null },
    { code: null, signal: 'SIGTERM' },
  ]).toContainEqual(await process.exited);
}

/** The reason code of a process with one line of output. */
const codeOf = (line: string) => exitReason({ code: 1, signal: null }, [line], INSTANCE).code;

describe('the reason of an exit is', () => {
  it('the memory limit of its cgroup', () => {
    const exit = { code: null, signal: 'SIGKILL', isOutOfMemory: true } as const;
    expect(exitReason(exit, [], INSTANCE).code).toBe('over_memory');
    expect(exitReason({ code: null, signal: 'SIGKILL' }, [], INSTANCE).code).toBe('killed');
  });

  it('a port in use, also with exit code 0', async () => {
    const instance = await bareInstance();
    const foreign = createServer().listen(instance.command.port, '127.0.0.1');
    await once(foreign, 'listening');
    onTestFinished(() => {
      foreign.close();
    });
    const { exit, reason } = await reasonOf(instance);
    expect(exit).toEqual({ code: failureCode, signal: null });
    expect(reason).toMatchObject({
      code: 'port_in_use',
      message: textWith(instance.command.port),
      log_tail: expect.arrayContaining([
        expect.stringContaining(
          `listen tcp 127.0.0.1:${instance.command.port}: bind: address already in use`,
        ),
      ]) as string[],
    });
  });

  it('a migration that fails, also with exit code 0', async () => {
    const instance = await bareInstance();
    const file = join(instance.directory, 'migrations', '1_bad.js');
    await writeFile(file, 'migrate((app) => {\nthrow new Error("no such thing") }, (app) => {})');
    const { exit, reason } = await reasonOf(instance);
    expect(exit.code).toBe(failureCode);
    expect(reason.code).toBe('migration_failed');
    expect(reason.message).toContain('1_bad.js:2: Error: no such thing');
  });

  it('a migration that does not parse, or that throws when it is loaded', async () => {
    const instance = await bareInstance();
    const file = join(instance.directory, 'migrations', '1_bad.js');
    await writeFile(file, 'migrate((app) => {\n  const x = ;\n});');
    const { reason } = await reasonOf(instance);
    expect(reason.code).toBe('migration_broken');
    expect(reason.message).toContain('1_bad.js:2: SyntaxError: Unexpected token ;');
    await writeFile(file, '\n\nnowhere();');
    await expect(reasonOf(instance)).resolves.toMatchObject({
      reason: {
        code: 'migration_broken',
        message: expect.stringContaining('1_bad.js:3: ReferenceError: ') as string,
      },
    });
  });

  it('a migration that panics, taken from above its stack', async () => {
    const instance = await bareInstance();
    const file = join(instance.directory, 'migrations', '1_panic.js');
    await writeFile(file, 'migrate((app) => app.save(null), (app) => {})');
    const { exit, reason } = await reasonOf(instance);
    expect(exit.code).not.toBe(0);
    // Up to 0.39, PocketBase does not name the file.
    expect(reason.code).toBe(failureCode === 0 ? 'exited' : 'migration_failed');
    if (failureCode !== 0) expect(reason.message).toContain('1_panic.js');
    expect(reason.message).toContain('panic: runtime error');
    expect(reason.log_tail?.[0]).toContain('runtime error');
  });

  it('a hook that does not parse, taken from the start of a long stack', async () => {
    const instance = await bareInstance();
    const hooksDir = join(instance.directory, 'hooks');
    await mkdir(hooksDir);
    await writeFile(join(hooksDir, 'broken.pb.js'), 'routerAdd("GET", "/x", (e) => {');
    const { exit, reason } = await reasonOf(instance, { hooksDir });
    expect(exit.code).toBe(2);
    expect(reason.code).toBe('hook_broken');
    const restart = `'fathomd databases start ${INSTANCE.name}'`;
    expect(reason.message).toEqual(textWith('broken.pb.js', 'SyntaxError', restart));
    expect(reason.log_tail?.[0]).toMatch(/^panic: SyntaxError/);
  });

  it('a hook that throws when it is loaded', async () => {
    const instance = await bareInstance();
    const hooksDir = join(instance.directory, 'hooks');
    await mkdir(hooksDir);
    await writeFile(join(hooksDir, 'throwing.pb.js'), 'throw new Error("boom")');
    const { reason } = await reasonOf(instance, { hooksDir });
    expect(reason).toMatchObject({ code: 'hook_broken' });
    expect(reason.message).toEqual(textWith('throwing.pb.js:1: ', 'Error: boom'));
  });

  it.each(['data.db', 'auxiliary.db'])('a %s that is not a database, or is damaged', async (file) => {
    const instance = await bareInstance();
    await runOnce(instance);
    const path = join(instance.command.dataDir, file);
    const content = await readFile(path);
    await rm(`${path}-wal`, { force: true });

    await writeFile(path, randomBytes(content.length));
    expect((await reasonOf(instance)).reason).toMatchObject({
      code: 'database_corrupt',
      log_tail: [expect.stringMatching(/file is not a database/)],
    });

    await writeFile(path, Buffer.concat([content.subarray(0, 100), randomBytes(content.length - 100)]));
    expect((await reasonOf(instance)).reason).toMatchObject({
      code: 'database_corrupt',
      log_tail: [expect.stringMatching(/malformed/)],
    });
  });

  it('a wrong encryption key', async () => {
    const instance = await bareInstance();
    await runOnce(instance);
    const other = createHash('md5').update('another').digest('hex');
    const { exit, reason } = await reasonOf(instance, { environment: { [ENCRYPTION_VARIABLE]: other } });
    expect(exit.code).toBe(1);
    expect(reason.code).toBe('encryption_key_wrong');
  });

  it('a directory that another process has locked', async () => {
    const instance = await bareInstance();
    await instance.start();
    // The process exists before flock(1) has the lock.
    await instance.untilReady();
    const { exit, reason } = await reasonOf(instance, { port: instance.command.port + 1 });
    expect([exit.code, reason.code]).toEqual([200, 'data_dir_locked']);
  });

  it('a signal, regardless of the output', async () => {
    const instance = await bareInstance();
    const process = await instance.start();
    process.signal('SIGKILL');
    const exit = await process.exited;
    expect(exit).toEqual({ code: null, signal: 'SIGKILL' });
    const lines = ['permission denied', 'listen tcp 1.2.3.4:5: bind: address already in use'];
    const reason = exitReason(exit, lines, INSTANCE);
    expect(reason).toMatchObject({ code: 'killed', message: textWith('SIGKILL') });
    expect(exitReason({ code: null, signal: 'SIGSEGV' }, [], INSTANCE)).toEqual({
      code: 'killed',
      message: textWith('SIGSEGV'),
    });
  });

  it('an unexpected exit 0, with the last line of the output', () => {
    expect(exitReason({ code: 0, signal: null }, ['2024/01/15 something odd', ''], INSTANCE)).toMatchObject({
      code: 'exited',
      message: textWith(0, 'something odd'),
    });
    expect(exitReason({ code: null, signal: null }, [], INSTANCE)).toEqual({
      code: 'exited',
      message: expect.any(String),
    });
  });

  it('any other panic, with its first line and not the end of its stack', () => {
    const stack = Array.from({ length: 40 }, (_, index) => `\tfile.go:${index} +0x1`);
    const lines = ['started', 'panic: runtime error: index out of range', '', ...stack];
    expect(exitReason({ code: 2, signal: null }, lines, INSTANCE)).toMatchObject({
      code: 'exited',
      message: textWith(2, 'panic: runtime error: index out of range'),
    });
  });

  it('a full disk or a read-only directory, from the error of SQLite', () => {
    expect(codeOf('2024/01/15 database or disk is full (13)')).toBe('disk_full');
    expect(codeOf('write x: no space left on device')).toBe('disk_full');
    expect(codeOf('2024/01/15 attempt to write a readonly database (8)')).toBe('permission_denied');
    expect(codeOf('2024/01/15 unable to open database file (14)')).toBe('permission_denied');
  });
});
