/** Texts for a language model, cut to a number of tokens. No model is called. */

const CHARACTERS_PER_TOKEN = 4;

/** An estimate: the tokens of a text depend on the model. */
export function tokensOf(text: string): number {
  return Math.ceil(text.length / CHARACTERS_PER_TOKEN);
}

/** In the order of importance. */
export type PartKind = 'item' | 'ancestor' | 'child' | 'blocker' | 'context' | 'comment' | 'activity';

export interface Section {
  kind: PartKind;
  /** The most important first. */
  parts: readonly { id: string; text: string }[];
  /** Also of what is not in `parts`. */
  total: number;
}

export interface ContextPart {
  kind: PartKind;
  id: string;
  text: string;
  tokens: number;
}

export interface AssembledContext {
  parts: ContextPart[];
  tokens: number;
  omitted: { kind: PartKind; count: number }[];
}

/**
 * Takes parts in their order while they fit. A part that does not fit is omitted, and a shorter one after it can still fit.
 * @param sections the first part of the first one is always taken, and shortened if it is too long
 */
export function assembleContext(sections: readonly Section[], maxTokens: number): AssembledContext {
  const parts: ContextPart[] = [];
  const omitted: AssembledContext['omitted'] = [];
  let left = maxTokens;
  for (const { kind, parts: offered, total } of sections) {
    let count = 0;
    for (const { id, text } of offered) {
      const fitting = parts.length === 0 ? shorten(text, left) : text;
      const tokens = tokensOf(fitting);
      if (tokens > left) continue;
      parts.push({ kind, id, text: fitting, tokens });
      left -= tokens;
      count += 1;
    }
    if (count < total) omitted.push({ kind, count: total - count });
  }
  return { parts, tokens: maxTokens - left, omitted };
}

function shorten(text: string, tokens: number): string {
  const max = tokens * CHARACTERS_PER_TOKEN;
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}

export interface DescribedItem {
  id: string;
  item_type: string;
  title: string;
  status: string;
  description: string;
  assignee: { name: string } | null;
  labels: readonly string[];
}

/** An item as a text: a heading, its values, its description. */
export function textOfItem(item: DescribedItem): string {
  const { id, item_type, title, status, description, assignee, labels } = item;
  const values = [
    `id: ${id}`,
    `status: ${status}`,
    ...(assignee ? [`assignee: ${assignee.name}`] : []),
    ...(labels.length > 0 ? [`labels: ${labels.join(', ')}`] : []),
  ];
  return [`# ${item_type}: ${title}`, values.join('\n'), ...(description === '' ? [] : [description])].join(
    '\n\n',
  );
}
