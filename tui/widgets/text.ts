import stringWidth from 'string-width';
import { sanitise } from '../store/text/sanitise.ts';

/** Only characters with one column and one code unit: ASCII, box drawing and block elements. */
const PLAIN = /^[\u0020-\u007E\u2500-\u259F]*$/;

/** Limits of the cache for short texts with a glyph, which occur in every row of every frame. */
const MAX_CACHED_LENGTH = 40;
const MAX_CACHED_TEXTS = 4_000;
const widths = new Map<string, number>();

/** Number of columns of a text. The text must not contain control sequences. */
export function widthOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  if (text.length > MAX_CACHED_LENGTH) return stringWidth(text);
  const known = widths.get(text);
  if (known !== undefined) return known;
  if (widths.size >= MAX_CACHED_TEXTS) widths.clear();
  const width = stringWidth(text);
  widths.set(text, width);
  return width;
}

/** Cuts or pads a text to exactly `width` columns. Never splits a wide character. */
export function fit(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  if (width <= 0) return '';
  const shown = cut(text, width);
  const padding = ' '.repeat(Math.max(0, width - widthOf(shown)));
  return align === 'left' ? shown + padding : padding + shown;
}

/** Cuts a text after `width` columns, with an ellipsis. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  if (width <= 1) return width === 1 ? '…' : '';
  return `${takeColumns(text, width - 1)}…`;
}

/** Joins as many facts as fit, the most important ones first. The first one is always shown, and others are never cut. */
export function joinFacts(facts: readonly string[], width: number): string {
  let joined = facts[0] ?? '';
  for (const fact of facts.slice(1)) {
    const longer = `${joined} · ${fact}`;
    if (widthOf(longer) <= width) joined = longer;
  }
  return joined;
}

/** Cuts the start of a text, so that the end, where the user types, stays visible. */
export function cutStart(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let shown = '';
  for (const { segment } of Array.from(segmenter().segment(text)).toReversed()) {
    if (widthOf(segment + shown) >= width) break;
    shown = segment + shown;
  }
  return `…${shown}`;
}

/** The first complete characters of a text that fit into `width` columns. */
export function takeColumns(text: string, width: number): string {
  if (PLAIN.test(text)) return text.slice(0, width);
  let taken = '';
  let columns = 0;
  for (const { segment } of segmenter().segment(text)) {
    columns += widthOf(segment);
    if (columns > width) break;
    taken += segment;
  }
  return taken;
}

/** Splits a text into pieces of at most `width` columns; an empty text is one empty piece. */
export function wrap(text: string, width: number): string[] {
  const pieces: string[] = [];
  let rest = text;
  while (widthOf(rest) > width) {
    const piece = takeColumns(rest, width);
    // A character that is wider than the line stays as it is.
    if (piece === '') break;
    pieces.push(piece);
    rest = rest.slice(piece.length);
  }
  return rest === '' && pieces.length > 0 ? pieces : [...pieces, rest];
}

/** Wraps a text between words into lines of at most `width` columns. */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (widthOf(longer) <= width) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    const pieces = wrap(word, width);
    lines.push(...pieces.slice(0, -1));
    line = pieces.at(-1) ?? '';
  }
  return [...lines, line];
}

/** A value as lines of indented JSON. Also sanitises keys, and characters that JSON does not escape. */
export function jsonLines(value: unknown): string[] {
  return (JSON.stringify(value, null, 2) ?? 'null').split('\n').map(sanitise);
}

let shared: Intl.Segmenter | undefined;

// Created when it is first needed: it would take a millisecond of the start.
function segmenter(): Intl.Segmenter {
  return (shared ??= new Intl.Segmenter());
}
