import type { Token } from '../theme.ts';
import { type Span, widthOfSpans } from './line.ts';
import { widthOf } from './text.ts';

/** Tabs on one row. Used to draw them and to find the tab of a click. */
export interface TabStrip {
  before: readonly Span[];
  titles: readonly string[];
  /** Index of the current tab. */
  chosen: number;
  /** The colour of a tab that is not muted. */
  tone?: (index: number) => Token | null;
  /** Text between two tabs; one space by default. */
  gap?: string;
}

export function tabSpans({ before, titles, chosen, tone, gap = ' ' }: TabStrip): Span[] {
  return [
    ...before,
    ...titles.flatMap((title, index): Span[] => [
      [index === chosen ? 'chosen' : (tone?.(index) ?? 'muted'), ` ${title} `],
      ['plain', gap],
    ]),
  ];
}

/** Index of the tab in a column; null if there is none. */
export function tabAt({ before, titles, gap = ' ' }: TabStrip, column: number): number | null {
  let from = widthOfSpans(before);
  for (const [index, title] of titles.entries()) {
    const to = from + widthOf(title) + 2;
    if (column >= from && column < to) return index;
    from = to + widthOf(gap);
  }
  return null;
}
