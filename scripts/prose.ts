/**
 * Words and phrases that make a sentence hard to read for people who read fast, or in a second language, with what to
 * write instead. CONTRIBUTING.md has the rules.
 */
const AVOIDED: readonly { pattern: string; instead: string }[] = [
  { pattern: 'who(?:so)?ever', instead: 'name the person: the caller, the user, an administrator' },
  { pattern: 'whatever', instead: 'name the thing' },
  // The account of that name on a host is written in quotes.
  { pattern: `(?<!['"\`])nobody(?!['"\`:])`, instead: 'no user, no process, no caller' },
  { pattern: 'somebody', instead: 'a user, another process' },
  { pattern: 'anybody', instead: 'any user, any caller' },
  { pattern: 'anew', instead: 'again' },
  { pattern: 'mend(?:s|ed|ing)?', instead: 'fix, repair' },
  { pattern: 'told', instead: 'reported, sent, said' },
  { pattern: 'tells? of', instead: 'reports, shows' },
  { pattern: 'stands', instead: 'is' },
  { pattern: 'is (?:no|any) good', instead: 'is invalid, is usable' },
  { pattern: 'what is to be done', instead: 'say what to do' },
  { pattern: 'of so many', instead: 'name the number' },
  { pattern: 'as it were', instead: 'leave it out' },
  { pattern: 'lest', instead: 'so that … not' },
  { pattern: 'hitherto|thereof|whence|whither|henceforth', instead: 'a word of today' },
];

const avoided = AVOIDED.map(({ pattern, instead }) => ({
  expression: new RegExp(`\\b(?:${pattern})\\b`, 'gi'),
  instead,
}));

export interface ProseFinding {
  line: number;
  found: string;
  instead: string;
}

/** Finds avoided words in a text, also inside of names like `toldOf` and `draw-anew`; lines count from 1. */
export function checkProse(text: string): ProseFinding[] {
  return text.split('\n').flatMap((line, index) => {
    const words = line.replace(/(?<=[a-z])(?=[A-Z])|_/g, ' ');
    return avoided.flatMap(({ expression, instead }) =>
      [...words.matchAll(expression)].map(([found]) => ({ line: index + 1, found, instead })),
    );
  });
}
