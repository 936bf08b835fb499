import { resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { packageRoot } from '../base/package.ts';
import { type InstallContext, install as installPackage } from '../install/install.ts';
import { CONFIRMATION, uninstall as uninstallProgram } from '../install/uninstall.ts';
import { rollBack, upgrade as upgradeTo } from '../install/upgrade.ts';
import { type CliContext, printLine } from './context.ts';
import { printable } from './printable.ts';
import { UsageError } from './usage-error.ts';

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
  if (purge && (await typed(context)) !== CONFIRMATION) {
    throw new UsageError(`that is not '${CONFIRMATION}'; nothing was removed`);
  }
  await uninstallProgram({ purge }, hostOf(context));
  return 0;
}

/** The first line of standard input, from a person or from a script that means it. */
async function typed({ stdin, stderr }: CliContext): Promise<string> {
  const lines = createInterface({ input: stdin });
  try {
    stderr.write(`This removes all databases of all users. Type '${CONFIRMATION}': `);
    for await (const line of lines) return line.trim();
    return '';
  } finally {
    lines.close();
  }
}

function hostOf({ stdout }: CliContext): InstallContext {
  return { uid: process.getuid?.() ?? -1, say: (line) => printLine(stdout, printable(line)) };
}
