import { resolve } from 'node:path';
import { packageRoot } from '../base/package.ts';
import { type InstallContext, install as installPackage } from '../install/install.ts';
import { CONFIRMATION, uninstall as uninstallProgram } from '../install/uninstall.ts';
import { rollBack, upgrade as upgradeTo } from '../install/upgrade.ts';
import { type CliContext, printLine } from './context.ts';
import { printable } from './printable.ts';
import { goOnWithoutReader } from './reader.ts';
import { typed } from './typed.ts';
import { UsageError } from './usage-error.ts';

const QUESTION = `This removes all databases of all users. Type '${CONFIRMATION}': `;

export async function install(context: CliContext): Promise<number> {
  await interruptibly(context, (host) => installPackage(packageRoot(), host));
  return 0;
}

export async function upgrade(tarball: string, context: CliContext): Promise<number> {
  const stays = await interruptibly(context, (host) => upgradeTo(resolve(context.cwd, tarball), host));
  return stays ? 0 : 1;
}

export async function rollback(context: CliContext): Promise<number> {
  return (await interruptibly(context, rollBack)) ? 0 : 1;
}

export async function uninstall({ purge }: { purge: boolean }, context: CliContext): Promise<number> {
  if (purge && (await typed(QUESTION, context)) !== CONFIRMATION) {
    throw new UsageError(`that is not '${CONFIRMATION}'; nothing was removed`);
  }
  await uninstallProgram({ purge }, { uid: userId(), say: sayTo(context) });
  return 0;
}

/** Ctrl-C and SIGTERM take back what is under way, in order. The end of the terminal does not: what was asked for goes on. */
async function interruptibly<T>(context: CliContext, work: (host: InstallContext) => Promise<T>): Promise<T> {
  const say = sayTo(context);
  goOnWithoutReader();
  const interrupted = new AbortController();
  const onInterrupt = (): void => {
    if (interrupted.signal.aborted) say('this is being taken back already; wait for the end');
    interrupted.abort();
  };
  const handlers = { SIGINT: onInterrupt, SIGTERM: onInterrupt, SIGHUP: () => {} };
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler);
  try {
    return await work({ uid: userId(), say, interrupted: interrupted.signal });
  } finally {
    for (const [signal, handler] of Object.entries(handlers)) process.off(signal, handler);
  }
}

function userId(): number {
  return process.getuid?.() ?? -1;
}

function sayTo({ stdout }: CliContext): (line: string) => void {
  return (line) => printLine(stdout, printable(line));
}
