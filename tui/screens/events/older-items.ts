import { keyFor } from '../../keys/places.ts';
import { MAX_LIMIT, nextLimit } from '../../store/pages/latest.ts';
import { limitOf } from '../../store/view/ui-state.ts';
import type { Span } from '../../widgets/line.ts';
import { type Console, showNotice } from '../console.ts';
import { NO_MATCH, SHOW_ALL } from '../frame/hints.ts';
import type { OlderItems } from '../screen.ts';

/** Loads older items after the cursor moved past the end of a list. Shows a notice if that is not possible. */
export function loadOlder(console: Console, { id, status, error }: OlderItems): void {
  switch (status) {
    case 'none':
      return showNotice(console, 'There are no older entries.');
    case 'limit':
      return showNotice(
        console,
        `The console shows at most ${MAX_LIMIT} entries. ${keyFor('copy')} copies the command that shows more.`,
      );
    case 'loading':
      // The position in the list already shows that older items are loading.
      return error === null ? undefined : showNotice(console, `Cannot load older entries: ${error}`);
    case 'more': {
      const { link } = console.fleet.store.get();
      if (link.kind !== 'live')
        return showNotice(console, 'Cannot load older entries: the daemon is not connected.');
      console.ui.update((state) => ({
        ...state,
        limits: { ...state.limits, [id]: nextLimit(limitOf(state, id)) },
      }));
    }
  }
}

/** The position in a list: `200/200`, with a `+` if there are older items. */
export function positionSpans(index: number, count: number, { status, error }: OlderItems): Span[] {
  const position: Span = ['muted', `${index + 1}/${count}${status === 'none' ? '' : '+'} `];
  return status === 'loading' && error === null
    ? [['busy', '◌ loading older entries  '], position]
    : [position];
}

/** Shown if no loaded item matches the filter. Older items may match. */
export function noMatchText({ status }: OlderItems): string {
  if (status === 'none') return NO_MATCH;
  return `No newer row matches the filter. ${keyFor('down')} loads older rows, ${SHOW_ALL}`;
}
