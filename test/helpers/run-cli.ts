import { Readable } from 'node:stream';
import { runCli } from '../../daemon/cli/run.ts';
import { BASE_ENVIRONMENT } from './fathomd.ts';

/** A command line in the process of the test: for those whose own process is not what the test is about. */
export async function runInProcess(
  argv: readonly string[],
  {
    cwd,
    env = {},
    input = '',
    columns,
  }: {
    cwd: string;
    env?: Record<string, string>;
    input?: string;
    /** Of the terminal that standard output is; without it, it is none. */
    columns?: number | undefined;
  },
) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCli(argv, {
    env: { PATH: BASE_ENVIRONMENT['PATH'], ...env },
    cwd,
    stdin: Readable.from([input]),
    stdout: {
      write: (line) => out.push(line),
      ...(columns === undefined ? {} : { isTTY: true, columns }),
    },
    stderr: { write: (line) => err.push(line) },
  });
  return { code, out: out.join(''), err: err.join('') };
}
