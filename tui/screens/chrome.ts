import { keyLabel, type Place } from '../keymap.ts';
import type { FleetState } from '../store/fleet-state.ts';
import { clockTime } from '../store/format.ts';
import type { Prompt, Screen, UiState } from '../store/ui-state.ts';
import type { Theme } from '../theme.ts';
import { actionSpans, keyHints } from '../widgets/footer.ts';
import { paintLine, paintSplit, type Span, widthOfSpans } from '../widgets/line.ts';
import { linkSpan } from '../widgets/link-words.ts';

const TABS: readonly (readonly [Screen, string])[] = [
  ['overview', ' 1 Overview '],
  ['instances', ' 2 Instances '],
];

export function headerLine(theme: Theme, fleet: FleetState, ui: UiState, columns: number): string {
  // An instance belongs to the list that it was opened from.
  const current = ui.screen === 'instance' ? ui.back : ui.screen;
  const tabs = TABS.map(([screen, title]): Span => [screen === current ? 'chosen' : 'muted', title]);
  const [token, words] = linkSpan(fleet.link, fleet.now);
  return paintSplit(theme, [['title', ' Fathom  '], ...tabs], [[token, `${words} `]], columns);
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

const PROMPTS: Readonly<Record<Prompt['kind'], { sign: string; hint: string }>> = {
  filter: { sign: '/', hint: 'name, owner, phase, why, port · !word excludes · ⏎ keep · Esc undo' },
  search: { sign: '/', hint: '⏎ newest match · n older · N newer · Esc undo' },
  palette: { sign: ':', hint: '↑↓ choose · ⏎ do it · Esc close' },
};

export function footerLine(theme: Theme, ui: UiState, place: Place, columns: number): string {
  if (ui.prompt === null || ui.dialog !== null) return keyHints(theme, place, columns);
  const { sign, hint } = PROMPTS[ui.prompt.kind];
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
