import { parse } from 'dotenv';

/** An assignment as dotenv parses it, but including its comment. A quoted value may span lines. */
const ASSIGNMENT =
  /^\s*(?:export\s+)?([\w.-]+)(?:\s*=|:\s)(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*`(?:\\`|[^`])*`|[^\r\n]*)/gm;

export interface CutValue {
  name: string;
  /** The quote to write around the value; null when the value contains all three. */
  quote: "'" | '"' | '`' | null;
}

/**
 * Finds unquoted values that a `#` cuts short: in an env file it starts a comment also within a word. A `#` after a space
 * is taken as an intended comment.
 */
export function cutValues(text: string): CutValue[] {
  return [...text.matchAll(ASSIGNMENT)].flatMap(([assignment, name = '', written = '']) => {
    const hash = written.indexOf('#');
    if (hash === -1 || /\s/.test(written.charAt(hash - 1))) return [];
    const kept = parse(assignment)[name];
    if (kept !== written.slice(0, hash).trim()) return [];
    const quote = (["'", '"', '`'] as const).find((mark) => !written.includes(mark)) ?? null;
    return [{ name, quote }];
  });
}

export interface IgnoredLine {
  /** Counted from 1. */
  line: number;
  /** The text before the first `=` or `:`, which can be the name of a setting. */
  name: string;
}

const lineBreaks = (text: string): string => text.replaceAll(/[^\n]+/g, '');

/** Finds lines that dotenv skips: neither an assignment, nor a comment, nor empty. */
export function ignoredLines(text: string): IgnoredLine[] {
  const rest = text
    .replaceAll(/\r\n?/g, '\n')
    .replaceAll(new RegExp(`${ASSIGNMENT.source}[^\\n]*`, 'gm'), (assignment) => lineBreaks(assignment));
  return rest.split('\n').flatMap((line, index) => {
    const written = line.trim();
    if (written === '' || written.startsWith('#')) return [];
    return [{ line: index + 1, name: written.split(/[=:]/, 1)[0] ?? '' }];
  });
}
