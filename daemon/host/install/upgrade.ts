import { FathomError } from '../../../shared/errors.ts';
import { changeRelease, resolveInterruptedChange } from './change-release.ts';
import { CURRENT, FALLBACK, PREVIOUS } from './release/layout.ts';
import { type Release, readLink } from './release/links.ts';
import { type UnpackOptions, unpackRelease } from './release/release.ts';
import { interruptedUninstallError, readUninstallMark } from './uninstall-mark.ts';
import type { InstallContext } from './verify-release.ts';

/**
 * @param prepare runs when the release is verified and unpacked, before the current one is changed; not when it is installed already
 * @returns true when the new release is kept, false when the former one is restored
 */
export async function upgrade(
  tarball: string,
  options: Pick<UnpackOptions, 'allowUnsigned' | 'allowDowngrade'>,
  context: InstallContext,
  prepare?: () => Promise<void>,
): Promise<boolean> {
  await requireInstallation();
  // An interrupted change that goes on restarts the daemon, too.
  const isPrepared = (await readLink(FALLBACK)) !== null && (await prepareIfRunning(prepare));
  await resolveInterruptedChange('forward', context);
  if (options.allowUnsigned) context.print('the signature of the tarball is not verified (--allow-unsigned)');
  const { version } = await requireInstallation();
  const unpack = { ...options, installed: version, signal: context.interrupted };
  return changeTo(await unpackRelease(tarball, unpack), context, isPrepared ? undefined : prepare);
}

/** @returns false without a daemon: the change starts it */
async function prepareIfRunning(prepare: (() => Promise<void>) | undefined): Promise<boolean> {
  if (prepare === undefined) return false;
  try {
    await prepare();
    return true;
  } catch (error) {
    if (error instanceof FathomError && error.code === 'daemon.unreachable') return false;
    throw error;
  }
}

/** Goes back to the previous release, or undoes an interrupted change. */
export async function rollBack(context: InstallContext): Promise<boolean> {
  await requireInstallation();
  if ((await resolveInterruptedChange('back', context)) !== null) return !context.interrupted.aborted;
  const previous = await readLink(PREVIOUS);
  if (!previous) {
    throw new FathomError('conflict', "there is no previous release; run 'fathomd upgrade TARBALL'");
  }
  return changeTo(previous, context);
}

async function requireInstallation(): Promise<Release> {
  const scope = await readUninstallMark();
  if (scope !== null) throw interruptedUninstallError(scope);
  const release = await readLink(CURRENT);
  if (!release) {
    throw new FathomError(
      'conflict',
      "Fathom is not installed on this host; run 'fathom install' of its package",
    );
  }
  return release;
}

async function changeTo(
  next: Release,
  context: InstallContext,
  prepare?: () => Promise<void>,
): Promise<boolean> {
  const before = await requireInstallation();
  if (context.interrupted.aborted) {
    throw new FathomError('conflict', `interrupted; release ${before.name} is unchanged`);
  }
  if (next.name === before.name) {
    context.print(`release ${next.name} is already installed; nothing was changed`);
    return true;
  }
  await prepare?.();
  return changeRelease(before, next, context);
}
