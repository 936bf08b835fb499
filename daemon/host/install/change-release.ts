import { messageOf } from '../../../shared/errors.ts';
import { readServiceLog, run, shouldRun, writeSystemFiles } from './host.ts';
import { copyAddedMigrations } from './release/added-migrations.ts';
import {
  chooseResolution,
  type Direction,
  describeInterruptedChange,
  readInterruptedChange,
} from './release/interrupted-change.ts';
import { CURRENT, FALLBACK, PREVIOUS, SERVICE, WORKERS } from './release/layout.ts';
import { type Release, readLink, removeLink, setLink } from './release/links.ts';
import { removeUnusedReleases } from './release/release.ts';
import { type InstallContext, restartDaemon, verifyRelease } from './verify-release.ts';

/**
 * Changes the installed release. The link `fallback` names the former release until the change is complete. So after an
 * interruption, also a power failure, the next command can finish or undo the change.
 *
 * ```
 * current=A ─▶ fallback=A ─▶ current=B ─▶ B verified ─▶ previous=A ─▶ fallback removed
 *                                └── B not ready, interrupted ─▶ current=A ─▶ fallback removed
 * ```
 *
 * @returns true when the new release is kept, false when the former one is restored
 */
export async function changeRelease(
  before: Release,
  next: Release,
  context: InstallContext,
): Promise<boolean> {
  await setLink(FALLBACK, before);
  return switchAndVerify(before, next, context);
}

/** Finishes or undoes an interrupted change. @returns which of the two; null when there was none */
export async function resolveInterruptedChange(
  direction: Direction,
  context: InstallContext,
): Promise<'finished' | 'undone' | null> {
  const change = await readInterruptedChange();
  if (change === null) return null;
  context.print(describeInterruptedChange(change));
  const finished =
    chooseResolution(change, direction) === 'finish' &&
    (await switchAndVerify(change.fallback, change.current, context));
  if (!finished && (await readLink(FALLBACK))) await restoreRelease(change.fallback, context);
  return finished ? 'finished' : 'undone';
}

async function switchAndVerify(before: Release, next: Release, context: InstallContext): Promise<boolean> {
  const { print, interrupted } = context;
  const startsDaemon = await shouldRun(SERVICE);
  const problem =
    (await switchRelease(before, next, print).then(() => null, messageOf)) ??
    (startsDaemon ? await verifyRelease(next, context) : null);
  if (problem !== null || interrupted.aborted) {
    print(interrupted.aborted ? `interrupted: going back to release ${before.name}` : (problem ?? ''));
    if (!interrupted.aborted) for (const line of await readServiceLog()) print(`  ${line}`);
    await restoreRelease(before, context);
    return false;
  }
  if (startsDaemon) await run('systemctl', ['try-restart', WORKERS]);
  await setLink(PREVIOUS, before);
  await removeLink(FALLBACK);
  await removeUnusedReleases();
  print(
    startsDaemon
      ? `release ${next.name} is running; 'fathomd rollback' goes back to ${before.name}`
      : `release ${next.name} is installed; the service is stopped, start it with 'systemctl start fathomd'`,
  );
  return true;
}

async function restoreRelease(before: Release, { print }: InstallContext): Promise<void> {
  await activate(before);
  const startsDaemon = await shouldRun(SERVICE);
  const problem = startsDaemon ? await restartDaemon(before) : null;
  await removeLink(FALLBACK);
  await removeUnusedReleases();
  if (problem !== null) {
    print(`release ${before.name} does not start: ${problem}; run 'journalctl -u fathomd' to see why`);
  } else {
    print(`release ${before.name} is ${startsDaemon ? 'running' : 'installed'} again`);
  }
}

async function switchRelease(before: Release, next: Release, print: InstallContext['print']): Promise<void> {
  await copyAddedMigrations(before, next, print);
  await activate(next);
}

async function activate(release: Release): Promise<void> {
  await setLink(CURRENT, release);
  await writeSystemFiles();
}
