import { bindingsOf, type Place } from '../keys/places.ts';
import { keyLabel } from '../keys/presses.ts';
import { type ActionLine, actionText } from '../store/actions/action-line.ts';
import { longDuration } from '../store/text/format.ts';
import type { Theme, Token } from '../theme.ts';
import { paintLine, type Span, widthOfSpans } from './line.ts';

/** Milliseconds for which a finished action stays in view when nothing else takes its place. */
const SHOWN_FOR = 20_000;
/** What every screen must always offer, whatever else has to give way. */
const ESSENTIAL: ReadonlySet<string> = new Set(['help', 'leave', 'palette']);

/** The keys of a place, as many as fit; the essential ones are kept at the right. */
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

/** The last action in words, or null when it is long over. A failure stays until it was `dismissed`. */
export function actionSpans(actions: readonly ActionLine[], dismissed: number, now: number): Span[] | null {
  const line = actions.at(-1);
  if (line === undefined || (line.state === 'failed' && line.id <= dismissed)) return null;
  if (line.state === 'done' && now - (line.ended_at ?? now) > SHOWN_FOR) return null;
  const [token, glyph] = ACTION_LOOKS[line.state];
  const age = line.ended_at === null ? now - line.at : now - line.ended_at;
  const when = line.ended_at === null ? longDuration(age) : `${longDuration(age)} ago`;
  return [
    [token, ` ${glyph} `],
    [line.state === 'failed' ? 'bad' : 'plain', actionText(line)],
    ['muted', `  ${when}, by ${line.by}`],
  ];
}
