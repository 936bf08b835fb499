import { Readable } from 'node:stream';
import { runCli } from '../../daemon/cli/run.ts';

/** A command line in the process of the test: for those whose own process is not what the test is about. */
export async function runInProcess(
  argv: readonly string[],
  { cwd, env = {}, input = '' }: { cwd: string; env?: Record<string, string>; input?: string },
) {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCli(argv, {
    env,
    cwd,
    stdin: Readable.from([input]),
    stdout: { write: (line) => out.push(line) },
    stderr: { write: (line) => err.push(line) },
  });
  return { code, out: out.join(''), err: err.join('') };
}
