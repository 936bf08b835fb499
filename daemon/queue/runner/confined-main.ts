/**
 * Starts the process of handlers of an administrator (`runner-main`) so that it cannot use the data of the fleet. Where the
 * host does not offer this, it runs as before.
 *
 * Arguments: a description of the confinement as JSON, and the arguments of `runner-main`.
 */
import { mkdirSync } from 'node:fs';
import { messageOf } from '../../../shared/errors.ts';
import { modulePath } from '../../base/package.ts';
import { becomeConfined } from '../../pocketbase/sandbox/confine.ts';
import { loadLibc } from '../../pocketbase/sandbox/libc.ts';
import { type HandlerConfinement, TASK_PIPE } from './messages.ts';

const PROGRAM = modulePath('daemon/queue/runner/runner-main');
/** The descriptor of the channel that `fork` opens. */
const CHANNEL = 3;

const [, , description = '', ...args] = process.argv;
const { temporaryDir, ...confinement } = JSON.parse(description) as HandlerConfinement;
let problem: string;
try {
  mkdirSync(temporaryDir, { recursive: true, mode: 0o700 });
  process.env['TMPDIR'] = temporaryDir;
  const libc = await loadLibc();
  if ('problem' in libc) throw new Error(libc.problem);
  becomeConfined(
    libc,
    { ...confinement, visible: [...confinement.visible, temporaryDir] },
    {
      file: process.execPath,
      argv: [process.execPath, ...process.execArgv, PROGRAM, ...args],
      // Node removes its own variables when it opens the channel.
      env: {
        ...definedVariables(process.env),
        NODE_CHANNEL_FD: String(CHANNEL),
        NODE_CHANNEL_SERIALIZATION_MODE: 'json',
      },
      files: TASK_PIPE + 1,
    },
  );
} catch (error) {
  problem = messageOf(error);
}
process.stderr.write(`handlers run without a sandbox: ${problem}\n`);
process.argv.splice(2, 1);
await import(PROGRAM);

function definedVariables(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
