import type { DatabaseBackups, RestoreProgress } from '../../../shared/api/backups.ts';
import { byteSize, longDuration, shortDuration, since } from '../../store/text/format.ts';
import type { Token } from '../../theme.ts';

/** Reloads what changes while a backup or a restore runs. */
export const WATCH_MS = 2_000;

/** The state of a database, the most important fact first, without what to do about it. */
export function stateFacts(one: DatabaseBackups, now: number): readonly [Token, readonly string[]] {
  const { failure, late, running, restore, last, retry_at: retryAt } = one;
  if (restore !== null) return ['busy', restoreFacts(restore, now)];
  if (running) return ['busy', ['◐ backing up']];
  if (failure !== null) {
    const retry = retryAt === null ? [] : [`tries again in ${shortDuration(leftMs(retryAt, now))}`];
    return ['bad', [`✗ ${failure.reason.replaceAll('_', ' ')}`, ...retry]];
  }
  if (late) return ['warn', ['▲ late']];
  return last === null ? ['muted', ['○ no backup yet']] : ['good', ['● ok']];
}

const STAGES: Readonly<Record<RestoreProgress['stage'], string>> = {
  waiting: 'restore waits',
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

/** Milliseconds from now until a time; 0 if it has passed. */
export function leftMs(at: string, now: number): number {
  return Math.max(0, Date.parse(at) - now);
}

/** How long ago; `–` for never. */
export function agoText(at: string | null, now: number): string {
  return at === null ? '–' : shortDuration(since(at, now));
}
