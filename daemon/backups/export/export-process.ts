import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { type ErrorCode, FathomError } from '../../../shared/errors.ts';
import { modulePath } from '../../base/package.ts';
import type { NamedFailure } from '../backup-problem.ts';
import { BackupFailed } from '../run/backup-processes.ts';
import type { ExportWork, PreparedExport } from './export-work.ts';

const PROGRAM = modulePath('daemon/backups/export/export-process-main');

export type ExportAnswer = { bytes: number | null } | { failure: NamedFailure & { code: ErrorCode | null } };

export interface RunningExport extends PreparedExport {
  /** Ends the process, which then has given out everything or failed. */
  end: () => Promise<void>;
}

/**
 * Starts a process that reads, decrypts and gives out one backup. What it writes waits in a pipe until it is read.
 *
 * @param signal ends the process at any time: it may wait for a target that does not answer
 * @throws BackupFailed, and the FathomError of `prepareExport`
 */
export async function startExport(work: ExportWork, signal: AbortSignal): Promise<RunningExport> {
  const child = fork(PROGRAM, {
    execArgv: ['--disable-warning=ExperimentalWarning'],
    env: process.env,
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'],
  });
  const exited = once(child, 'exit');
  let failure: Error | null = null;
  const began = Promise.withResolvers<number | null>();
  began.promise.catch(() => {});
  child.on('error', began.reject);
  child.on('message', (answer: ExportAnswer) => {
    if ('bytes' in answer) return began.resolve(answer.bytes);
    failure = toError(answer.failure);
    began.reject(failure);
  });
  void exited.then(
    () => began.reject(ended()),
    () => {},
  );
  const end = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  const abort = () => child.kill('SIGKILL');
  signal.addEventListener('abort', abort);
  void exited.finally(() => signal.removeEventListener('abort', abort)).catch(() => {});
  try {
    child.send(work);
    const bytes = await began.promise;
    signal.throwIfAborted();
    const output = child.stdio[4] as Readable;
    const content = async function* () {
      yield* output as AsyncIterable<Buffer>;
      const [code] = (await exited) as [number | null];
      // The output of a process that has failed ends as well.
      if (code !== 0) throw failure ?? ended();
    };
    return { bytes, content: content(), end };
  } catch (error) {
    await end();
    throw error;
  }
}

function toError({ code, ...failure }: NamedFailure & { code: ErrorCode | null }): Error {
  const isOwn = code === 'not_found' || code === 'conflict' || code === 'backup.failed';
  return isOwn ? new FathomError(code, failure.message) : new BackupFailed(failure);
}

function ended(): BackupFailed {
  return new BackupFailed({ reason: 'failed', message: 'the process of the download has ended' });
}
