import { bindingsOf, type Place } from '../keys/places.ts';
import { keyLabel } from '../keys/presses.ts';
import { type ActionLine, actionText } from '../store/actions/action-line.ts';
import { longDuration } from '../store/text/format.ts';
import type { Theme, Token } from '../theme.ts';
import { paintLine, type Span, widthOfSpans } from './line.ts';

/** Milliseconds for which a finished action is shown. */
const SHOWN_FOR_MS = 20_000;
/** Commands that the footer always shows. */
const ESSENTIAL: ReadonlySet<string> = new Set(['help', 'leave', 'palette']);

/** As many keys of a place as fit. The essential ones are at the right. */
export function keyHints(theme: Theme, place: Place, width: number): string {
  const hinted = bindingsOf(place).filter(({ hint }) => hint !== undefined);
  const essential = hinted
    .filter(({ command }) => ESSENTIAL.has(command))
    .flatMap(({ keys, hint }) => hintSpans(keys, hint));
  const spans: Span[] = [['plain', ' ']];
  for (const { command, keys, hint } of hinted) {
    if (ESSENTIAL.has(command)) continue;
    const next = hintSpans(keys, hint);
    if (widthOfSpans([...spans, ...next, ...essential]) > width) break;
    spans.push(...next);
  }
  return paintLine(theme, [...spans, ...essential], width);
}

function hintSpans(keys: readonly string[], hint = ''): Span[] {
  return [
    ['accent', keyLabel(keys[0] ?? '')],
    ['muted', ` ${hint}  `],
  ];
}

const ACTION_LOOKS: Readonly<Record<ActionLine['state'], readonly [Token, string]>> = {
  sent: ['busy', '→'],
  running: ['busy', '◐'],
  done: ['good', '✓'],
  failed: ['bad', '✗'],
};

/** The progress of the last action; null if it ended long ago. A failure stays until it is dismissed. */
export function actionSpans(actions: readonly ActionLine[], dismissed: number, now: number): Span[] | null {
  const line = actions.at(-1);
  if (line === undefined || (line.state === 'failed' && line.id <= dismissed)) return null;
  if (line.state === 'done' && now - (line.ended_at ?? now) > SHOWN_FOR_MS) return null;
  const [token, glyph] = ACTION_LOOKS[line.state];
  const age = line.ended_at === null ? now - line.at : now - line.ended_at;
  const when = line.ended_at === null ? longDuration(age) : `${longDuration(age)} ago`;
  return [
    [token, ` ${glyph} `],
    [line.state === 'failed' ? 'bad' : 'plain', actionText(line)],
    ['muted', `  ${when}, by ${line.by}`],
  ];
}
