import type { LinkState } from '../../shared/client/stream-link.ts';
import { longDuration, shortDuration } from '../store/text/format.ts';
import type { Span } from './line.ts';

/** The state of the connection in the header: `● live`, `▲ stale 14 s, retry 3 in 2 s`. */
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

/** Why the console cannot run actions now; null if it can. Permissions are checked by the daemon. */
export function actionsOffReason(link: LinkState): string | null {
  switch (link.kind) {
    case 'live':
      return null;
    case 'connecting':
      return 'Cannot run actions: the console is still connecting';
    case 'stale':
      return `Cannot run actions without a connection: ${link.reason}`;
    case 'refused':
      return `Cannot run actions: ${link.reason}`;
    case 'closed':
      return 'Cannot run actions: the console is closing';
  }
}
