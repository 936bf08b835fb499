import { resolve } from 'node:path';
import { packageRoot } from '../base/package.ts';
import { type InstallContext, install as installPackage } from '../install/install.ts';
import { CONFIRMATION, uninstall as uninstallProgram } from '../install/uninstall.ts';
import { rollBack, upgrade as upgradeTo } from '../install/upgrade.ts';
import { type CliContext, printLine } from './context.ts';
import { printable } from './printable.ts';
import { typed } from './typed.ts';
import { UsageError } from './usage-error.ts';

const QUESTION = `This removes all databases of all users. Type '${CONFIRMATION}': `;

export async function install(context: CliContext): Promise<number> {
  await installPackage(packageRoot(), hostOf(context));
  return 0;
}

export async function upgrade(tarball: string, context: CliContext): Promise<number> {
  return (await upgradeTo(resolve(context.cwd, tarball), hostOf(context))) ? 0 : 1;
}

export async function rollback(context: CliContext): Promise<number> {
  return (await rollBack(hostOf(context))) ? 0 : 1;
}

export async function uninstall({ purge }: { purge: boolean }, context: CliContext): Promise<number> {
  if (purge && (await typed(QUESTION, context)) !== CONFIRMATION) {
    throw new UsageError(`that is not '${CONFIRMATION}'; nothing was removed`);
  }
  await uninstallProgram({ purge }, hostOf(context));
  return 0;
}

function hostOf({ stdout }: CliContext): InstallContext {
  return { uid: process.getuid?.() ?? -1, say: (line) => printLine(stdout, printable(line)) };
}
