import type { LinkState } from '../../shared/client/stream-link.ts';
import { longDuration, shortDuration } from '../store/text/format.ts';
import type { Span } from './line.ts';

/** The link in the header: `● live`, `▲ stale 14 s, retry 3 in 2 s`. */
export function linkSpan(link: LinkState, now: number): Span {
  switch (link.kind) {
    case 'connecting':
      return ['busy', '◌ connecting'];
    case 'live':
      return ['good', '● live'];
    case 'stale':
      return [
        'bad',
        `▲ stale ${shortDuration(now - link.since)}, ${retryText(link.attempt, link.next_attempt_at, now)}`,
      ];
    case 'refused':
      return ['bad', '✗ refused'];
    case 'closed':
      return ['muted', '○ closed'];
  }
}

function retryText(attempt: number, next: number | null, now: number): string {
  if (next === null) return `retry ${attempt} now`;
  const wait = next - now;
  return wait < 1000 ? `retry ${attempt}` : `retry ${attempt} in ${longDuration(wait)}`;
}

/** Why actions are off; null when they are on. What the caller may not do, the daemon refuses. */
export function actionsOffReason(link: LinkState): string | null {
  switch (link.kind) {
    case 'live':
      return null;
    case 'connecting':
      return 'actions are off until the daemon answers';
    case 'stale':
      return `actions are off while the link is gone: ${link.reason}`;
    case 'refused':
      return `actions are off: ${link.reason}`;
    case 'closed':
      return 'actions are off: the console is leaving';
  }
}
