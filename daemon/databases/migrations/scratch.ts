import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { MigrationProblem } from '../../../shared/api/migrations.ts';
import {
  describeFailure,
  type MigrationFailure,
  migrationFailure,
} from '../../pocketbase/process/migrate.ts';
import type { ProcessDriver } from '../../pocketbase/process/process-driver.ts';
import { findMisleading, scriptAdvice } from '../../pocketbase/process/script-advice.ts';
import { isMigration, type MigrationFile, textOf, writeMigrationSet } from './migration-files.ts';

/** Thrown when a set of migrations cannot be used. */
export class SetRefused extends Error {
  readonly problem: MigrationProblem;

  constructor(problem: MigrationProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

export interface ScratchRun {
  driver: Pick<ProcessDriver, 'spawn'>;
  binary: string;
  dataDir: string;
  migrationsDir: string;
  environment: Record<string, string>;
  timeoutMs: number;
}

const TAIL_CHARACTERS = 300;
/** Timeout of the run that finds the endless migration; the others take only a moment. */
const FIND_TIMEOUT_MS = 10_000;
const MARK = 'fathom: now applies ';

/** Applies migrations to a test database. @throws SetRefused */
export async function migrateScratch(run: ScratchRun, files: readonly MigrationFile[]): Promise<void> {
  const { text, exitCode, timedOut } = await migrate(run);
  if (timedOut) throw new SetRefused(await findEndless(run, files));
  const failure = migrationFailure(text);
  if (failure) {
    const code = failure.code === 'migration_broken' ? 'syntax' : 'failed';
    throw new SetRefused({
      code,
      file: failure.file,
      line: failure.line,
      message: `${describeFailure(failure)}${adviceOfSource(failure, files)}`,
    });
  }
  const other = /^Error: (.+)/m.exec(text)?.[1] ?? (exitCode === 0 ? null : text.slice(-TAIL_CHARACTERS));
  if (other !== null) throw new SetRefused({ code: 'failed', file: null, line: null, message: other });
}

/** What the file has of PocketBase before 0.23, when the error alone does not say it. */
function adviceOfSource({ file, line, why }: MigrationFailure, files: readonly MigrationFile[]): string {
  const failed = files.find(({ path }) => path === file);
  if (!failed || scriptAdvice(why, file) !== null) return '';
  const found = findMisleading(textOf(failed));
  const cause = found.find((one) => one.line === line) ?? (line === null ? found[0] : undefined);
  return cause ? `; line ${cause.line}: ${cause.why}` : '';
}

/** Runs the migrations again, with a line in the output at the start of each file. */
async function findEndless(run: ScratchRun, files: readonly MigrationFile[]): Promise<MigrationProblem> {
  const migrationsDir = join(run.migrationsDir, '..', 'marked');
  await writeMigrationSet(files.map(addMark), migrationsDir);
  const { text } = await migrate({
    ...run,
    migrationsDir,
    timeoutMs: Math.min(FIND_TIMEOUT_MS, run.timeoutMs),
  });
  const file =
    text
      .split('\n')
      .flatMap((line) => (line.includes(MARK) ? [line.slice(line.indexOf(MARK) + MARK.length).trim()] : []))
      .at(-1) ?? null;
  const why = `does not end within ${run.timeoutMs / 1000} s: an endless loop, or, up to PocketBase 0.40.3, 200 and more lines by app.logger()`;
  return { code: 'timed_out', file, line: null, message: `${file ?? 'one of the files'} ${why}` };
}

/** Adds the code to the first line, so that lines keep their numbers. */
function addMark(file: MigrationFile): MigrationFile {
  if (!isMigration(file.path)) return file;
  const mark = JSON.stringify(`${MARK}${file.path}`);
  const prelude = `migrate=((run)=>(up,down)=>run((app)=>{console.log(${mark});return up(app)},down))(migrate);`;
  return { ...file, content: Buffer.concat([Buffer.from(prelude), file.content]) };
}

/** In the sandbox of an instance: a migration that works here also works there. */
async function migrate({ driver, binary, dataDir, migrationsDir, environment, timeoutMs }: ScratchRun) {
  const directory = dirname(dataDir);
  const [logFile, lockFile] = [join(directory, 'migrate.log'), join(directory, 'migrate.lock')];
  try {
    const process = await driver.spawn({
      mode: 'migrate',
      name: 'scratch',
      binary,
      dataDir,
      lockFile,
      logFile,
      host: '127.0.0.1',
      port: 0,
      migrationsDir,
      hooksDir: null,
      publicDir: null,
      hooksPool: 1,
      environment,
      kind: 'user',
      memoryBytes: null,
    });
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      process.signal('SIGKILL');
    }, timeoutMs);
    const { code } = await process.exited;
    clearTimeout(timer);
    return { text: await readFile(logFile, 'utf8'), exitCode: code, timedOut };
  } finally {
    for (const path of [logFile, lockFile, join(directory, 'tmp')])
      await rm(path, { recursive: true, force: true });
  }
}
