import { lineSink, standardStream } from '../../../base/log/log-sink.ts';
import type { CliContext, Output } from '../../context.ts';
import { continueWithoutOutput } from '../../output/output-failure.ts';

/**
 * The context of a program that goes on whatever becomes of its output: a full disk, a closed pipe, a pipe that is not read, a
 * terminal that is gone. Outputs other than those of this process are left as they are.
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
