import { messageOf } from '../../../shared/errors.ts';
import { isWanted, lastWords, run, writeSystemFiles } from './host.ts';
import { carryMigrationsOver } from './release/carry-over.ts';
import { CURRENT, FALLBACK, PREVIOUS, SERVICE, WORKERS } from './release/layout.ts';
import { linked, pointTo, type Release, unlink } from './release/links.ts';
import { prune } from './release/release.ts';
import { describeUnfinished, settlement, unfinished } from './release/unfinished.ts';
import { restart, type Trial, tryOut } from './trial.ts';

/**
 * From one release to another. What ran before is named by `fallback` until the change has come to its end, so whenever
 * it is interrupted, also by a power cut, the next command knows what to finish or to undo.
 *
 * @returns whether the new release stays; when not, the old one is back
 */
export async function change(before: Release, next: Release, trial: Trial): Promise<boolean> {
  await pointTo(FALLBACK, before);
  return prove(before, next, trial);
}

/**
 * Finishes or undoes a change that was interrupted.
 *
 * @returns which of the two was done, null when there was none
 */
export async function settle(wish: 'forward' | 'back', trial: Trial): Promise<'finished' | 'undone' | null> {
  const found = await unfinished();
  if (found === null) return null;
  trial.say(describeUnfinished(found));
  const finished =
    settlement(found, wish) === 'finish' && (await prove(found.fallback, found.current, trial));
  if (!finished && (await linked(FALLBACK))) await goBack(found.fallback, trial);
  return finished ? 'finished' : 'undone';
}

async function prove(before: Release, next: Release, trial: Trial): Promise<boolean> {
  const { say, interrupted } = trial;
  const wanted = await isWanted(SERVICE);
  const problem =
    (await moveOn(before, next, say).then(() => null, messageOf)) ??
    (wanted ? await tryOut(next, trial) : null);
  if (problem !== null || interrupted.aborted) {
    say(interrupted.aborted ? `interrupted: ${next.name} is not kept` : (problem ?? ''));
    if (!interrupted.aborted) for (const line of await lastWords()) say(`  ${line}`);
    await goBack(before, trial);
    return false;
  }
  if (wanted) await run('systemctl', ['try-restart', WORKERS]);
  await pointTo(PREVIOUS, before);
  await unlink(FALLBACK);
  await prune();
  say(
    wanted
      ? `${next.name} runs; 'fathomd rollback' goes back to ${before.name}`
      : `${next.name} is installed; the service does not run, start it with 'systemctl start fathomd'`,
  );
  return true;
}

async function goBack(before: Release, { say }: Trial): Promise<void> {
  await activate(before);
  const wanted = await isWanted(SERVICE);
  const problem = wanted ? await restart(before) : null;
  await unlink(FALLBACK);
  await prune();
  if (problem !== null) say(`${before.name} does not run again: ${problem}; look at 'journalctl -u fathomd'`);
  else say(wanted ? `${before.name} runs again` : `${before.name} is installed, as before`);
}

async function moveOn(before: Release, next: Release, say: Trial['say']): Promise<void> {
  await carryMigrationsOver(before, next, say);
  await activate(next);
}

async function activate(release: Release): Promise<void> {
  await pointTo(CURRENT, release);
  await writeSystemFiles();
}
