import { keyFor, type Place } from '../../keys/places.ts';
import type { FleetState } from '../../store/fleet/fleet-state.ts';
import { clockTime } from '../../store/text/format.ts';
import { TOP_SCREENS, type TopScreen, topLocationOf } from '../../store/view/location.ts';
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

/** Shows full titles, short titles or only keys, depending on the width. The state of the connection is always shown. */
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
  const keysOnly = stripOf(({ title, id }) => (id === current ? `${screenKey(id)} ${title}` : screenKey(id)));
  const strips = [
    stripOf(({ id, title }) => `${screenKey(id)} ${title}`),
    stripOf(({ title, short, id }) => `${screenKey(id)} ${id === current ? title : short}`),
    keysOnly,
  ];
  const room = view.size.columns - 1 - widthOfSpans(headerRight(console, view));
  return strips.find((strip) => widthOfSpans(tabSpans(strip)) <= room) ?? keysOnly;
}

function screenKey(id: TopScreen): string {
  return keyFor(`screen.${id}`);
}

function headerRight({ readOnly }: Pick<Console, 'readOnly'>, { fleet }: Pick<View, 'fleet'>): Span[] {
  const [token, words] = linkSpan(fleet.link, fleet.now);
  return [...(readOnly ? [['warn', 'read-only '] as Span] : []), [token, `${words} `]];
}

/** Milliseconds until a notice disappears without a key. */
const NOTICE_FOR = 6_000;

/** Shows the notice for the last key, else a lost connection, else the last action. */
export function statusLine(theme: Theme, fleet: FleetState, ui: UiState, columns: number): string {
  if (ui.notice !== null && fleet.now - ui.notice.at < NOTICE_FOR) {
    return paintLine(theme, [['warn', ` ${ui.notice.text}`]], columns);
  }
  const stale = staleSpans(fleet);
  const spans = stale ?? actionSpans(fleet.actions, ui.dismissed, fleet.now);
  return spans === null ? '' : paintLine(theme, spans, columns);
}

function staleSpans({ link, snapshot_at: at }: FleetState): Span[] | null {
  // Without a snapshot, the waiting screen shows this.
  if (at === null) return null;
  if (link.kind === 'refused') return [['bad', ` ✗ ${link.reason}`]];
  if (link.kind !== 'stale') return null;
  return [
    ['bad', ` ▲ ${link.reason}`],
    ['muted', `; showing the state at ${clockTime(new Date(link.since).toISOString())} · `],
    ['accent', keyFor('refresh')],
    ['muted', ' tries now'],
  ];
}

const ACCEPT = keyFor('prompt.accept');
const CANCEL = keyFor('prompt.cancel');

function promptText(prompt: Prompt): { sign: string; hint: string } {
  switch (prompt.kind) {
    case 'filter':
      return {
        sign: keyFor('filter'),
        hint: `${prompt.hint} · !word excludes · ${ACCEPT} apply · ${CANCEL} undo`,
      };
    case 'search':
      return {
        sign: keyFor('search'),
        hint: `${ACCEPT} newest match · ${keyFor('search.older')} older · ${keyFor('search.newer')} newer · ${CANCEL} undo`,
      };
    case 'palette':
      return {
        sign: keyFor('palette'),
        hint: `${keyFor('up')}${keyFor('down')} select · ${ACCEPT} run · ${CANCEL} close`,
      };
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
  // The typed text is more important than the help.
  const help: Span = ['muted', `  ${hint} `];
  const fits = widthOfSpans([...typed, help]) <= columns;
  return fits ? paintSplit(theme, typed, [help], columns) : paintLine(theme, typed, columns);
}
