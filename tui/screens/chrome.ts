import type { Place } from '../keys/places.ts';
import { keyLabel } from '../keys/presses.ts';
import type { FleetState } from '../store/fleet-state.ts';
import { clockTime } from '../store/format.ts';
import { TOP_SCREENS, topOf } from '../store/location.ts';
import type { Prompt, UiState } from '../store/ui-state.ts';
import type { Theme } from '../theme.ts';
import { actionSpans, keyHints } from '../widgets/footer.ts';
import { paintLine, paintSplit, type Span, widthOfSpans } from '../widgets/line.ts';
import { linkSpan } from '../widgets/link-words.ts';
import { cut } from '../widgets/text.ts';
import type { Console } from './console.ts';
import type { View } from './screen.ts';

export function headerLine(
  theme: Theme,
  { title: program, readOnly }: Pick<Console, 'title' | 'readOnly'>,
  { fleet, ui: { at }, size: { columns } }: Pick<View, 'fleet' | 'ui' | 'size'>,
): string {
  const [token, words] = linkSpan(fleet.link, fleet.now);
  const current = topOf(at).screen;
  const right: Span[] = [...(readOnly ? [['warn', 'read-only '] as Span] : []), [token, `${words} `]];
  const name: Span = ['title', ` ${cut(program, 16)} `];
  const tabs = (titleOf: (tab: (typeof TOP_SCREENS)[number]) => string) =>
    TOP_SCREENS.map((tab): Span => [tab.id === current ? 'chosen' : 'muted', ` ${titleOf(tab)} `]);
  // From whole titles to bare numbers: as much as the width holds, the link always.
  const widths = [
    tabs(({ key, title }) => `${key} ${title}`),
    tabs(({ key, title, short, id }) => `${key} ${id === current ? title : short}`),
    tabs(({ key, title, id }) => (id === current ? `${key} ${title}` : key)),
  ];
  const room = columns - 1 - widthOfSpans(right);
  const shown = widths.find((spans) => widthOfSpans([name, ...spans]) <= room) ?? widths.at(-1) ?? [];
  return paintSplit(theme, [name, ...shown], right, columns);
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

function promptWords(prompt: Prompt): { sign: string; hint: string } {
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
  const { sign, hint } = promptWords(ui.prompt);
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
