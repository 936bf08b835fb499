import { furtherThan, LONGEST_REACH } from '../../store/pages/latest.ts';
import { reachOf } from '../../store/view/ui-state.ts';
import type { Span } from '../../widgets/line.ts';
import type { Console } from '../console.ts';
import { say } from '../presses/say.ts';
import type { Older } from '../screen.ts';

/** Somebody moved past the end of a list that shows the latest of many. */
export function reachBack(console: Console, { id, behind, error }: Older): void {
  switch (behind) {
    case 'all':
      return say(console, 'That is all: there are no older ones.');
    case 'longest':
      return say(
        console,
        `The console goes no further back than ${LONGEST_REACH}; y copies the command that does.`,
      );
    case 'reading':
      // That they are on their way is said beside the place in the list.
      return error === null ? undefined : say(console, `Older ones cannot be read: ${error}`);
    case 'more': {
      const { link } = console.fleet.store.get();
      if (link.kind !== 'live') return say(console, 'Older ones are read when the daemon answers again.');
      console.ui.update((state) => ({
        ...state,
        reaches: { ...state.reaches, [id]: furtherThan(reachOf(state, id)) },
      }));
    }
  }
}

/** `200/200+`, where there are older ones; and whether they are on their way. */
export function placeSpans(index: number, count: number, { behind, error }: Older): Span[] {
  const place: Span = ['muted', `${index + 1}/${count}${behind === 'all' ? '' : '+'} `];
  return behind === 'reading' && error === null ? [['busy', '◌ reading older ones  '], place] : [place];
}

/** What a filter leaves of the latest may be nothing, while older ones match. */
export function nothingMatches({ behind }: Older): string {
  const words = 'Nothing matches the filter';
  return behind === 'all'
    ? `${words}. Esc shows all again.`
    : `${words} among the latest. ↓ looks further back, Esc shows all again.`;
}
