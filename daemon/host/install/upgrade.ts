import { FathomError } from '../../../shared/errors.ts';
import { change, settle } from './change.ts';
import { CURRENT, PREVIOUS } from './release/layout.ts';
import { linked, type Release } from './release/links.ts';
import { unpack } from './release/release.ts';
import type { Trial } from './trial.ts';
import { halfUninstalled, uninstalling } from './uninstalling.ts';

/** @returns whether the new release is the one that stays; when not, the old one is back */
export async function upgrade(tarball: string, context: Trial): Promise<boolean> {
  await installed();
  await settle('forward', context);
  return changeTo(await unpack(tarball, context.interrupted), context);
}

/** Back to the release before, or to the one before a change that was interrupted. */
export async function rollBack(context: Trial): Promise<boolean> {
  await installed();
  if ((await settle('back', context)) !== null) return !context.interrupted.aborted;
  const previous = await linked(PREVIOUS);
  if (!previous)
    throw new FathomError('conflict', 'there is no earlier release; name a tarball to upgrade to');
  return changeTo(previous, context);
}

async function installed(): Promise<Release> {
  const left = await uninstalling();
  if (left !== null) throw halfUninstalled(left);
  const release = await linked(CURRENT);
  if (!release) throw new FathomError('conflict', "Fathom is not installed here; see 'fathom install'");
  return release;
}

async function changeTo(next: Release, context: Trial): Promise<boolean> {
  const before = await installed();
  if (context.interrupted.aborted) throw new FathomError('conflict', `interrupted; ${before.name} stays`);
  if (next.name !== before.name) return change(before, next, context);
  context.say(`${next.name} is what is installed already; nothing was done`);
  return true;
}
