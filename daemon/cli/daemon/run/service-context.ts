import { lineSink, standardStream } from '../../../base/log/log-sink.ts';
import type { CliContext, Output } from '../../context.ts';
import { continueWithoutOutput } from '../../output/output-failure.ts';

/**
 * The context of a program that continues to run when its output fails: on a full disk, a closed or blocked pipe, or a lost
 * terminal. Outputs other than those of this process stay unchanged.
 */
export function serviceContext(context: CliContext): CliContext {
  continueWithoutOutput();
  return {
    ...context,
    stdout: context.stdout === process.stdout ? outputTo(1, context.stdout) : context.stdout,
    stderr: context.stderr === process.stderr ? outputTo(2, context.stderr) : context.stderr,
  };
}

function outputTo(fd: 1 | 2, { isTTY, columns }: Output): Output {
  const target = standardStream(fd);
  const sink = lineSink(
    target,
    (dropped, problem) => `fathomd: ${dropped} lines could not be written to ${target.name}: ${problem}\n`,
  );
  return {
    write: (text) => sink.write(text),
    ...(isTTY === undefined ? {} : { isTTY }),
    ...(columns === undefined ? {} : { columns }),
  };
}
