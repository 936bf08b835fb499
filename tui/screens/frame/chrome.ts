import type { Place } from '../../keys/places.ts';
import { keyLabel } from '../../keys/presses.ts';
import type { FleetState } from '../../store/fleet/fleet-state.ts';
import { clockTime } from '../../store/text/format.ts';
import { TOP_SCREENS, topLocationOf } from '../../store/view/location.ts';
import type { Prompt, UiState } from '../../store/view/ui-state.ts';
import type { Theme } from '../../theme.ts';
import { actionSpans, keyHints } from '../../widgets/footer.ts';
import { paintLine, paintSplit, type Span, widthOfSpans } from '../../widgets/line.ts';
import { linkSpan } from '../../widgets/link-text.ts';
import { type TabStrip, tabSpans } from '../../widgets/tabs.ts';
import { cut } from '../../widgets/text.ts';
import type { Console, View } from '../console.ts';

export function headerLine(
  theme: Theme,
  console: Pick<Console, 'title' | 'readOnly'>,
  view: Pick<View, 'fleet' | 'ui' | 'size'>,
): string {
  return paintSplit(
    theme,
    tabSpans(headerTabs(console, view)),
    headerRight(console, view),
    view.size.columns,
  );
}

/** From whole titles to bare numbers: as much as the width holds, the link always. */
export function headerTabs(
  console: Pick<Console, 'title' | 'readOnly'>,
  view: Pick<View, 'fleet' | 'ui' | 'size'>,
): TabStrip {
  const current = topLocationOf(view.ui.at).screen;
  const stripOf = (titleOf: (tab: (typeof TOP_SCREENS)[number]) => string): TabStrip => ({
    before: [['title', ` ${cut(console.title, 16)} `]],
    titles: TOP_SCREENS.map(titleOf),
    chosen: TOP_SCREENS.findIndex(({ id }) => id === current),
    gap: '',
  });
  const bare = stripOf(({ key, title, id }) => (id === current ? `${key} ${title}` : key));
  const strips = [
    stripOf(({ key, title }) => `${key} ${title}`),
    stripOf(({ key, title, short, id }) => `${key} ${id === current ? title : short}`),
    bare,
  ];
  const room = view.size.columns - 1 - widthOfSpans(headerRight(console, view));
  return strips.find((strip) => widthOfSpans(tabSpans(strip)) <= room) ?? bare;
}

function headerRight({ readOnly }: Pick<Console, 'readOnly'>, { fleet }: Pick<View, 'fleet'>): Span[] {
  const [token, words] = linkSpan(fleet.link, fleet.now);
  return [...(readOnly ? [['warn', 'read-only '] as Span] : []), [token, `${words} `]];
}

/** Milliseconds for which the answer to a key stays, when no other key takes it away. */
const NOTICE_FOR = 6_000;

/** What just happened: the answer to a key, else the link, else the last action. */
export function statusLine(theme: Theme, fleet: FleetState, ui: UiState, columns: number): string {
  if (ui.notice !== null && fleet.now - ui.notice.at < NOTICE_FOR) {
    return paintLine(theme, [['warn', ` ${ui.notice.text}`]], columns);
  }
  const stale = staleSpans(fleet);
  const spans = stale ?? actionSpans(fleet.actions, ui.dismissed, fleet.now);
  return spans === null ? '' : paintLine(theme, spans, columns);
}

function staleSpans({ link, snapshot_at: at }: FleetState): Span[] | null {
  // Without a snapshot the waiting screen tells all this.
  if (at === null) return null;
  if (link.kind === 'refused') return [['bad', ` ✗ ${link.reason}`]];
  if (link.kind !== 'stale') return null;
  return [
    ['bad', ` ▲ ${link.reason}`],
    ['muted', `; this is how it was at ${clockTime(new Date(link.since).toISOString())} · `],
    ['accent', keyLabel('ctrl+r')],
    ['muted', ' tries now'],
  ];
}

function promptText(prompt: Prompt): { sign: string; hint: string } {
  switch (prompt.kind) {
    case 'filter':
      return { sign: '/', hint: `${prompt.hint} · !word excludes · ⏎ keep · Esc undo` };
    case 'search':
      return { sign: '/', hint: '⏎ newest match · n older · N newer · Esc undo' };
    case 'palette':
      return { sign: ':', hint: '↑↓ choose · ⏎ do it · Esc close' };
  }
}

export function footerLine(theme: Theme, ui: UiState, place: Place, columns: number): string {
  if (ui.prompt === null || ui.dialog !== null) return keyHints(theme, place, columns);
  const { sign, hint } = promptText(ui.prompt);
  const typed: Span[] = [
    ['accent', ` ${sign}`],
    ['plain', ui.prompt.text],
    ['chosen', ' '],
  ];
  // What is typed comes before what explains it.
  const help: Span = ['muted', `  ${hint} `];
  const fits = widthOfSpans([...typed, help]) <= columns;
  return fits ? paintSplit(theme, typed, [help], columns) : paintLine(theme, typed, columns);
}
