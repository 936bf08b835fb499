import type { DatabaseBackups, DrillProgress, RestoreProgress } from '../../../shared/api/backups.ts';
import { keyFor } from '../../keys/places.ts';
import { byteSize, longDuration, shortDuration, since } from '../../store/text/format.ts';
import type { Token } from '../../theme.ts';
import type { Span } from '../../widgets/line.ts';

/** Reloads what changes while a backup or a restore runs. */
export const WATCH_MS = 2_000;

/** The state of a database, the most important fact first, without what to do about it. */
export function stateFacts(one: DatabaseBackups, now: number): readonly [Token, readonly string[]] {
  const { failure, late, running, restore, last, retry_at: retryAt } = one;
  const { drilling, drill } = drillsOf(one);
  if (restore !== null) return ['busy', restoreFacts(restore, now)];
  if (running) return ['busy', ['◐ backing up']];
  if (drilling !== null) return ['busy', drillFacts(drilling, now)];
  if (failure !== null) {
    const retry = retryAt === null ? [] : [`retry in ${shortDuration(leftMs(retryAt, now))}`];
    return ['bad', [`✗ ${failure.reason.replaceAll('_', ' ')}`, ...retry]];
  }
  if (late) return ['warn', ['▲ late']];
  if (drill !== null && drill.problem !== null) return ['bad', ['✗ drill failed']];
  return last === null ? ['muted', ['○ no backup yet']] : ['good', ['● ok']];
}

/** A daemon of an earlier release reports no drills. */
function drillsOf({ drilling = null, drill = null, proven = null }: Partial<DatabaseBackups>) {
  return { drilling, drill, proven };
}

const STAGES: Readonly<Record<RestoreProgress['stage'], string>> = {
  waiting: 'restore waits',
  backing_up: 'restore: backs up first',
  reading: 'restoring: reads',
  testing: 'restoring: tests',
  exchanging: 'restoring: exchanges',
  starting: 'restored: starts',
};

function restoreFacts(restore: RestoreProgress, now: number): string[] {
  const { stage, bytes, read_bytes: read } = restore;
  const isReading = stage === 'reading' && bytes > 0;
  const percent = isReading ? ` ${Math.floor((read / bytes) * 100)} %` : '';
  return [
    `◐ ${STAGES[stage]}${percent}`,
    `for ${longDuration(since(restore.since, now))}`,
    ...(isReading ? [`of ${byteSize(bytes)}`] : []),
    ...(stage === 'exchanging' ? ['requests wait'] : []),
  ];
}

const DRILL_STAGES: Readonly<Record<DrillProgress['stage'], string>> = {
  waiting: 'drill waits',
  reading: 'drill reads',
  testing: 'drill tests',
};

function drillFacts({ stage, bytes, read_bytes: read, since: at }: DrillProgress, now: number): string[] {
  const percent = stage === 'reading' && bytes > 0 ? ` ${Math.floor((read / bytes) * 100)} %` : '';
  return [`◐ ${DRILL_STAGES[stage]}${percent}`, `for ${longDuration(since(at, now))}`];
}

/** How long ago a backup was proven; with a sign when a later drill has failed. */
export function proofText(one: DatabaseBackups, now: number): readonly [Token, string] {
  const { proven, drill } = drillsOf(one);
  if (drill !== null && drill.problem !== null) return ['bad', `✗ ${agoText(drill.at, now)}`];
  return [proven === null ? 'muted' : 'plain', agoText(proven?.at ?? null, now)];
}

/** The last proof and the last drill, in words. */
export function proofFacts(one: DatabaseBackups, now: number): string[] {
  const { proven, drill } = drillsOf(one);
  const ago = (at: string) => `${longDuration(since(at, now))} ago`;
  const last = drill !== null && drill.problem !== null ? [`drill failed ${ago(drill.at)}`] : [];
  return [...last, proven === null ? 'not proved yet' : `proved ${ago(proven.at)}`];
}

/** Why a drill failed, and what to do. */
export function failedDrillSpans(problem: string): Span[] {
  return [
    ['bad', ` The drill failed: ${problem}`],
    ['plain', ` → ${keyFor('backup.create')} makes another backup, then ${keyFor('backup.drill')} proves it`],
  ];
}

/** Milliseconds from now until a time; 0 if it has passed. */
export function leftMs(at: string, now: number): number {
  return Math.max(0, Date.parse(at) - now);
}

/** How long ago; `–` for never. */
export function agoText(at: string | null, now: number): string {
  return at === null ? '–' : shortDuration(since(at, now));
}
