import stringWidth from 'string-width';
import { sanitise } from '../store/text/sanitise.ts';

/** Characters of one column and one code unit each: ASCII, and what frames and bars are made of. */
const PLAIN = /^[\u0020-\u007E\u2500-\u259F]*$/;

/** What is looked up again and again: words with a glyph, in every row of every frame. */
const REMEMBERED_LENGTH = 40;
const REMEMBERED_TEXTS = 4_000;
const widths = new Map<string, number>();

/** Columns that a text takes; it must hold no control sequences. */
export function widthOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  if (text.length > REMEMBERED_LENGTH) return stringWidth(text);
  const known = widths.get(text);
  if (known !== undefined) return known;
  if (widths.size >= REMEMBERED_TEXTS) widths.clear();
  const width = stringWidth(text);
  widths.set(text, width);
  return width;
}

/** The text in exactly `width` columns: cut with an ellipsis, or padded. Never splits a wide character. */
export function fit(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  if (width <= 0) return '';
  const shown = cut(text, width);
  const padding = ' '.repeat(Math.max(0, width - widthOf(shown)));
  return align === 'left' ? shown + padding : padding + shown;
}

/** The text in at most `width` columns. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  if (width <= 1) return width === 1 ? '…' : '';
  return `${take(text, width - 1)}…`;
}

/** The end of the text in at most `width` columns: where one types is always seen. */
export function cutStart(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let shown = '';
  for (const { segment } of Array.from(segmenter().segment(text)).toReversed()) {
    if (widthOf(segment + shown) >= width) break;
    shown = segment + shown;
  }
  return `…${shown}`;
}

/** As many whole characters from the start as `width` columns hold. */
export function take(text: string, width: number): string {
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

/** The text in pieces of at most `width` columns; one empty piece for an empty text. */
export function wrap(text: string, width: number): string[] {
  const pieces: string[] = [];
  let rest = text;
  while (widthOf(rest) > width) {
    const piece = take(rest, width);
    // A character wider than the whole line has to go somewhere.
    if (piece === '') break;
    pieces.push(piece);
    rest = rest.slice(piece.length);
  }
  return rest === '' && pieces.length > 0 ? pieces : [...pieces, rest];
}

/** The text in lines of at most `width` columns, broken between words. */
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

/**
 * A value as indented JSON, line by line. JSON escapes what moves a cursor; the rest that a terminal would obey goes, and
 * keys are others' text as well.
 */
export function jsonLines(value: unknown): string[] {
  return (JSON.stringify(value, null, 2) ?? 'null').split('\n').map(sanitise);
}

let shared: Intl.Segmenter | undefined;

// Made when the first wide text asks for it: it costs a millisecond of the start.
function segmenter(): Intl.Segmenter {
  return (shared ??= new Intl.Segmenter());
}
