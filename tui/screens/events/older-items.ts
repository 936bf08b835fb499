import { MAX_LIMIT, nextLimit } from '../../store/pages/latest.ts';
import { limitOf } from '../../store/view/ui-state.ts';
import type { Span } from '../../widgets/line.ts';
import { type Console, showNotice } from '../console.ts';
import type { OlderItems } from '../screen.ts';

/** Somebody moved past the end of a list that shows the latest of many. */
export function loadOlder(console: Console, { id, behind, error }: OlderItems): void {
  switch (behind) {
    case 'all':
      return showNotice(console, 'That is all: there are no older ones.');
    case 'longest':
      return showNotice(
        console,
        `The console goes no further back than ${MAX_LIMIT}; y copies the command that does.`,
      );
    case 'reading':
      // That they are on their way is said beside the place in the list.
      return error === null ? undefined : showNotice(console, `Older ones cannot be read: ${error}`);
    case 'more': {
      const { link } = console.fleet.store.get();
      if (link.kind !== 'live')
        return showNotice(console, 'Older ones are read when the daemon answers again.');
      console.ui.update((state) => ({
        ...state,
        limits: { ...state.limits, [id]: nextLimit(limitOf(state, id)) },
      }));
    }
  }
}

/** `200/200+`, where there are older ones; and whether they are on their way. */
export function positionSpans(index: number, count: number, { behind, error }: OlderItems): Span[] {
  const place: Span = ['muted', `${index + 1}/${count}${behind === 'all' ? '' : '+'} `];
  return behind === 'reading' && error === null ? [['busy', '◌ reading older ones  '], place] : [place];
}

/** What a filter leaves of the latest may be nothing, while older ones match. */
export function noMatchText({ behind }: OlderItems): string {
  const words = 'Nothing matches the filter';
  return behind === 'all'
    ? `${words}. Esc shows all again.`
    : `${words} among the latest. ↓ looks further back, Esc shows all again.`;
}
