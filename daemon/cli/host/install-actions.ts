import { resolve } from 'node:path';
import { packageRoot } from '../../base/package.ts';
import { checkHost } from '../../host/install/host.ts';
import { install as installPackage } from '../../host/install/install.ts';
import { withInstallLock } from '../../host/install/install-lock.ts';
import { CONFIRMATION, uninstall as uninstallProgram } from '../../host/install/uninstall.ts';
import { rollBack, upgrade as upgradeTo } from '../../host/install/upgrade.ts';
import type { InstallContext } from '../../host/install/verify-release.ts';
import { type CliContext, printLine } from '../context.ts';
import { readConfirmation } from '../input/prompt.ts';
import { UsageError } from '../input/usage-error.ts';
import { continueWithoutOutput } from '../output/output-failure.ts';
import { printable } from '../output/print.ts';

const QUESTION = `This removes all databases of all users. Type '${CONFIRMATION}': `;

export async function install(context: CliContext): Promise<number> {
  await asAdministrator('install', context, (host) => installPackage(packageRoot(), host));
  return 0;
}

export async function upgrade(
  {
    tarball,
    'allow-unsigned': allowUnsigned,
    'allow-downgrade': allowDowngrade,
  }: { tarball: string; 'allow-unsigned': boolean; 'allow-downgrade': boolean },
  context: CliContext,
): Promise<number> {
  const isKept = await asAdministrator(`upgrade ${tarball}`, context, (host) =>
    upgradeTo(resolve(context.cwd, tarball), { allowUnsigned, allowDowngrade }, host),
  );
  return isKept ? 0 : 1;
}

export async function rollback(context: CliContext): Promise<number> {
  return (await asAdministrator('rollback', context, rollBack)) ? 0 : 1;
}

export async function uninstall({ purge }: { purge: boolean }, context: CliContext): Promise<number> {
  if (purge && (await readConfirmation(QUESTION, context)) !== CONFIRMATION) {
    throw new UsageError(`that is not '${CONFIRMATION}'; nothing was removed`);
  }
  const words = purge ? 'uninstall --purge' : 'uninstall';
  await asAdministrator(words, context, (host) => uninstallProgram({ purge }, host));
  return 0;
}

/**
 * Runs one command at a time, as root, on a host with systemd. Ctrl-C and SIGTERM interrupt it. It continues when the
 * terminal is closed.
 */
async function asAdministrator<T>(
  words: string,
  { stdout }: CliContext,
  work: (host: InstallContext) => Promise<T>,
): Promise<T> {
  await checkHost(process.getuid?.() ?? -1);
  const print = (line: string): void => printLine(stdout, printable(line));
  continueWithoutOutput();
  const interrupted = new AbortController();
  const onInterrupt = (): void => {
    if (interrupted.signal.aborted) print('already interrupted; wait until the command has stopped');
    interrupted.abort();
  };
  const handlers = { SIGINT: onInterrupt, SIGTERM: onInterrupt, SIGHUP: () => {} };
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler);
  try {
    return await withInstallLock(`fathomd ${words}`, () => work({ print, interrupted: interrupted.signal }));
  } finally {
    for (const [signal, handler] of Object.entries(handlers)) process.off(signal, handler);
  }
}
