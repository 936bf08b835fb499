import { parse } from 'dotenv';

/** An assignment as dotenv finds it, but with its comment. A value in quotes may span lines. */
const ASSIGNMENT =
  /^\s*(?:export\s+)?([\w.-]+)(?:\s*=|:\s)(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^\r\n]*)/gm;

export interface CutValue {
  name: string;
  /** The quote to write around the value; null when it has every kind. */
  quote: "'" | '"' | '`' | null;
}

/** Values without quotes that lose their end, as a `#` begins a comment also within a word. One after a space is meant so. */
export function cutValues(text: string): CutValue[] {
  return [...text.matchAll(ASSIGNMENT)].flatMap(([assignment, name = '', written = '']) => {
    const hash = written.indexOf('#');
    if (hash === -1 || /\s/.test(written.charAt(hash - 1))) return [];
    const kept = parse(assignment)[name];
    if (kept !== written.slice(0, hash).trim()) return [];
    const quote = (["'", '"', '`'] as const).find((one) => !written.includes(one)) ?? null;
    return [{ name, quote }];
  });
}
