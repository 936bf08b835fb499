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
}

const HOST = '127.0.0.1';
/** Another program may take the port between its choice and the start. */
const ATTEMPTS = 3;
const MARK = 'fathom: now loads ';
/** Timeout of the run that finds the endless hook. */
const FIND_TIMEOUT_MS = 10_000;

interface Ended {
  exit: ProcessExit | null;
  text: string;
}

/** Starts hooks and static files on a test database, in the sandbox of an instance. @throws SetRefused */
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
  const file = await findLastLoaded(trial, files);
  const where = file === null ? '' : `${file}: `;
  if (exit === null) {
    const message = `${file ?? 'a hook'} does not end within ${trial.timeoutMs / 1000} s when it is loaded: an endless loop?`;
    return { code: 'timed_out', file, line: null, message };
  }
  const why = failure?.why ?? text.split('\n').find((line) => line.trim() !== '') ?? 'no reason given';
  return { code: 'hook_broken', file, line: null, message: `${where}${why.trim()}` };
}

/**
 * Runs the hooks again, with a line in the output at the start of each file.
 *
 * @returns the label of the last one; null when all were loaded
 */
async function findLastLoaded(trial: HooksTrial, files: readonly ServedFile[]): Promise<string | null> {
  if (trial.hooksDir === null) return null;
  const marked = join(trial.directory, 'marked');
  await cp(trial.hooksDir, marked, { recursive: true });
  const entry = join(marked, HOOK_ENTRY);
  const hooks = loadedHooks(files);
  const lines = hooks.map((path) => `console.log(${JSON.stringify(MARK + path)});${hookEntry([path])}`);
  // The copy is read-only.
  await rm(entry);
  await writeFile(entry, [...lines, `console.log(${JSON.stringify(MARK)});`].join(''));
  const timeoutMs = Math.min(FIND_TIMEOUT_MS, trial.timeoutMs);
  const ended = await runOnce({ ...trial, hooksDir: marked, timeoutMs });
  if (ended === 'ready') return null;
  const last = ended.text.split('\n').findLast((line) => line.includes(MARK)) ?? '';
  const path = last.slice(last.indexOf(MARK) + MARK.length).trim();
  return files.find((file) => file.path === `hooks/${path}`)?.label ?? null;
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
    lockFile: join(directory, 'hooks.lock'),
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
    const signal = AbortSignal.any([gone.signal, timeout.signal]);
    const target = { host: HOST, port, path: READINESS_PATH };
    const ready = await waitUntilReady(target, { probe, clock, signal, concurrentStarts: 1 });
    if (ready && !gone.exit()) return 'ready';
    return { exit: gone.exit(), text: await readFile(logFile, 'utf8') };
  } finally {
    timeout.cancel();
    process.signal('SIGKILL');
    await process.exited;
  }
}
