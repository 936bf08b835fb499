import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '../../../test/helpers/until.ts';
import { runAlertCommand } from './command.ts';

const never = new AbortController().signal;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fathom-command-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

async function program(lines: string): Promise<string> {
  const path = join(directory, 'program');
  await writeFile(path, `#!/bin/sh\n${lines}\n`);
  await chmod(path, 0o755);
  return path;
}

it('passes the input, no arguments, and no secrets of the environment', async () => {
  const out = join(directory, 'out');
  const path = await program(`cat > ${out}; echo "$# $PWD" >> ${out}; env >> ${out}`);
  process.env['FATHOM_TEST_SECRET'] = 'a secret';
  await runAlertCommand(path, '{"text":"$(id) ; 日本"}\n', never);
  delete process.env['FATHOM_TEST_SECRET'];
  const text = await readFile(out, 'utf8');
  expect(text.startsWith('{"text":"$(id) ; 日本"}\n0 /\n')).toBe(true);
  expect(text).not.toContain('FATHOM_TEST_SECRET');
});

it('ignores input that the program does not read', async () => {
  await runAlertCommand(await program('exit 0'), 'x'.repeat(1_000_000), never);
});

it('reports the exit code and the end of the output', async () => {
  const path = await program('echo one; echo two >&2; exit 7');
  await expect(runAlertCommand(path, '', never)).rejects.toThrow(
    /^ALERT_COMMAND ended with 7: (one two|two one)$/,
  );
});

it('reports a program that is missing', async () => {
  await expect(runAlertCommand(join(directory, 'missing'), '', never)).rejects.toThrow(
    /^ALERT_COMMAND cannot be started: .*ENOENT/,
  );
});

it('ends the program with its children', async () => {
  const controller = new AbortController();
  const { path, started } = await starter('wait');
  const run = runAlertCommand(path, '', controller.signal);
  const pids = await started();
  controller.abort();
  await expect(run).rejects.toThrow(/was ended/);
  await until(() => !pids.some(isRunning), { what: 'the processes to end' });
});

it('ends what a program leaves in its process group', async () => {
  const { path, started } = await starter('exit 0');
  await runAlertCommand(path, '', never);
  const pids = await started();
  await until(() => !pids.some(isRunning), { what: 'the processes to end' });
});

/** A program with a child in the background. */
async function starter(end: string) {
  const file = join(directory, 'pids');
  const path = await program(`sleep 1000 &\necho $! $$ > ${file}\n${end}`);
  const started = () =>
    until(
      async () => {
        const text = await readFile(file, 'utf8').catch(() => '');
        return text.endsWith('\n') ? text.trim().split(' ').map(Number) : null;
      },
      { what: 'the program' },
    );
  return { path, started };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
