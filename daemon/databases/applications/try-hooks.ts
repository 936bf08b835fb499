import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MigrationProblem } from '../../../shared/api/migrations.ts';
import { freePort } from '../../base/free-port.ts';
import { type Clock, deadline } from '../../base/time/clock.ts';
import { exitReason } from '../../pocketbase/process/exit-reason.ts';
import { hookFailure } from '../../pocketbase/process/hook-failure.ts';
import { describeFailure } from '../../pocketbase/process/migrate.ts';
import { probe, READINESS_PATH, waitUntilReady } from '../../pocketbase/process/probe.ts';
import { type ProcessDriver, type ProcessExit, watchExit } from '../../pocketbase/process/process-driver.ts';
import { HOOK_ENTRY, hookEntry } from '../../supervisor/hook-entry.ts';
import { SetRefused } from '../migrations/scratch.ts';
import type { ServedPaths } from './assembled.ts';
import { loadedHooks, type ServedFile } from './served-files.ts';

export interface HooksTrial extends ServedPaths {
  driver: Pick<ProcessDriver, 'spawn'>;
  binary: string;
  /** Contains a `pb_data` with all migrations. */
  directory: string;
  environment: Record<string, string>;
  timeoutMs: number;
  clock: Clock;
  /** Of a database that is in use: the lock of its data. */
  lockFile?: string;
  signal?: AbortSignal;
}

const HOST = '127.0.0.1';
/** Another program may take the port between its choice and the start. */
const ATTEMPTS = 3;
/** Timeout of a run that searches the hook. */
const FIND_TIMEOUT_MS = 10_000;
/** Of more hooks, none is searched. */
const MAX_SEARCHED = 50;
const LOG_TIME = /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d /;
/** The line counts from the start of the handler, not of the file. */
const THROWN_IN_HANDLER = / at \S*pb\.js:\d+:\d+\(\d+\)/;

interface Ended {
  exit: ProcessExit | null;
  text: string;
}

/**
 * Starts hooks and static files on a database, in the sandbox of an instance.
 *
 * @param files for the names in problems
 * @throws SetRefused
 */
export async function tryHooks(trial: HooksTrial, files: readonly ServedFile[]): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const ended = await runOnce(trial);
    if (ended === 'ready') return;
    const reason = ended.exit && exitReason(ended.exit, ended.text.split('\n'), { name: '', kind: 'user' });
    if (reason?.code === 'port_in_use' && attempt < ATTEMPTS) continue;
    throw new SetRefused(await describeProblem(trial, ended, files));
  }
}

async function describeProblem(
  trial: HooksTrial,
  { exit, text }: Ended,
  files: readonly ServedFile[],
): Promise<MigrationProblem> {
  const failure = hookFailure(text);
  const named = failure && files.find(({ path }) => failure.file.endsWith(`/${path}`));
  if (named) {
    const { line, why } = failure;
    const message = describeFailure({ file: named.label, line, why });
    return { code: 'hook_broken', file: named.label, line, message };
  }
  const file = await findCulprit(trial, files);
  if (exit === null) {
    const message = `${file ?? 'a hook'} does not end within ${trial.timeoutMs / 1000} s when it is loaded: an endless loop?`;
    return { code: 'timed_out', file, line: null, message };
  }
  const last = text.split('\n').find((line) => line.trim() !== '') ?? 'no reason given';
  const why =
    failure?.why ??
    `the process ends at its start: ${last.replace(LOG_TIME, '').replace(THROWN_IN_HANDLER, '').trim()}`;
  return { code: 'hook_broken', file, line: null, message: describeFailure({ file, line: null, why }) };
}

/**
 * Starts the hooks again, one more each time, until the process does not start.
 *
 * @returns the label of the hook that was added last; null when all start, or when there are too many hooks
 */
async function findCulprit(trial: HooksTrial, files: readonly ServedFile[]): Promise<string | null> {
  const hooks = loadedHooks(files);
  if (trial.hooksDir === null || hooks.length > MAX_SEARCHED) return null;
  const hooksDir = join(trial.directory, 'some-hooks');
  await cp(trial.hooksDir, hooksDir, { recursive: true });
  const timeoutMs = Math.min(FIND_TIMEOUT_MS, trial.timeoutMs);
  for (const [index, path] of hooks.entries()) {
    // The copy is read-only.
    await rm(join(hooksDir, HOOK_ENTRY));
    await writeFile(join(hooksDir, HOOK_ENTRY), hookEntry(hooks.slice(0, index + 1)));
    if ((await runOnce({ ...trial, hooksDir, timeoutMs })) !== 'ready')
      return files.find((file) => file.path === `hooks/${path}`)?.label ?? null;
  }
  return null;
}

async function runOnce(trial: HooksTrial): Promise<'ready' | Ended> {
  const { driver, directory, clock } = trial;
  const logFile = join(directory, 'hooks.log');
  const port = await freePort(HOST);
  await rm(logFile, { force: true });
  const process = await driver.spawn({
    name: 'scratch',
    binary: trial.binary,
    dataDir: join(directory, 'pb_data'),
    lockFile: trial.lockFile ?? join(directory, 'hooks.lock'),
    logFile,
    host: HOST,
    port,
    migrationsDir: null,
    hooksDir: trial.hooksDir,
    publicDir: trial.publicDir,
    hooksPool: 1,
    environment: trial.environment,
    kind: 'user',
    memoryBytes: null,
  });
  const gone = watchExit(process);
  const timeout = deadline(clock, trial.timeoutMs);
  try {
    const signal = AbortSignal.any([gone.signal, timeout.signal, ...(trial.signal ? [trial.signal] : [])]);
    const target = { host: HOST, port, path: READINESS_PATH };
    const ready = await waitUntilReady(target, { probe, clock, signal, concurrentStarts: 1 });
    if (ready && !gone.exit()) return 'ready';
    return { exit: gone.exit(), text: await readFile(logFile, 'utf8') };
  } finally {
    timeout.cancel();
    process.signal('SIGKILL');
    await process.exited;
    await rm(logFile, { force: true });
  }
}
