/** Where PocketBase tells how to change scripts that were written before its JavaScript API changed. */
const UPGRADE_GUIDE = 'https://pocketbase.io/v023upgrade/jsvm/';

/** Names that the JavaScript API had before PocketBase 0.23. Source: its upgrade guide. */
const OLD_NAMES = [
  'Dao',
  'Admin',
  'SchemaField',
  'ExternalAuth',
  '\\$tokens',
  'routerUse',
  '(?:Admin|Collections?|Settings)\\w+Form',
  'on(?:Record|Model|Admin|Admins|Collection|Collections|Settings|Mailer|Realtime|File)(?:Before|After)(?!(?:Create|Update|Delete)(?:Success|Error)\\b)\\w+',
  'on(?:Before|After)(?:Bootstrap|Serve|ApiError)',
];
const OLD_MEMBERS = [
  'dao',
  'activityLogger',
  'requireAdminAuth',
  'requireAdminAuthOnlyIfAny',
  'requireAdminOrRecordAuth',
  'requireAdminOrOwnerAuth',
  'requireRecordAuth',
  'requireSameContextRecordAuth',
  'requestInfo',
];
const OLD_NAME = new RegExp(`^ReferenceError: (${OLD_NAMES.join('|')}) is not defined`);
const OLD_MEMBER = new RegExp(`^TypeError: Object has no member '(${OLD_MEMBERS.join('|')})'`);

const ADVICE: readonly { of: RegExp; advice: string }[] = [
  {
    of: OLD_NAME,
    advice: `'$1' was written for PocketBase before 0.23; change the file as in ${UPGRADE_GUIDE}`,
  },
  {
    of: OLD_MEMBER,
    advice: `'$1()' was written for PocketBase before 0.23; change the file as in ${UPGRADE_GUIDE}`,
  },
  {
    of: /^ReferenceError: (fetch|XMLHttpRequest) is not defined/,
    advice: "PocketBase has no '$1': use $http.send()",
  },
  {
    of: /^ReferenceError: (setTimeout|setInterval) is not defined/,
    advice: "PocketBase has no '$1': use cronAdd(), or sleep()",
  },
  {
    of: /^SyntaxError: Unexpected reserved word/,
    advice:
      'PocketBase loads scripts, not modules: use require() and module.exports in place of import and export',
  },
  {
    of: /^Invalid module|: Invalid module/,
    advice:
      'require() finds files below `${__hooks}` only; a package of npm must be bundled into one file, and modules of Node do not exist',
  },
];

/** What to do about an error of a script; null when the error says it. */
export function scriptAdvice(why: string, file: string | null): string | null {
  if (file?.endsWith('.ts') && why.startsWith('SyntaxError'))
    return 'PocketBase runs JavaScript without types: compile the file';
  for (const { of, advice } of ADVICE) {
    const found = of.exec(why);
    if (found) return advice.replace('$1', found[1] ?? '');
  }
  return null;
}

/** Code that PocketBase loads without an error, and that does not do what it says. */
export interface Misleading {
  line: number;
  why: string;
}

const MISLEADING: readonly { of: RegExp; why: string }[] = [
  {
    of: /\bnew Collection\(\s*\{[^;]*?\b["']?schema["']?\s*:/g,
    why: "PocketBase reads no 'schema' of a collection since 0.23, so its fields are missing: write 'fields'",
  },
  {
    of: /\.dao\(\)/g,
    why: `'dao()' is not there since PocketBase 0.23, so this fails when it runs: change it as in ${UPGRADE_GUIDE}`,
  },
  {
    of: /\brouterAdd\(\s*["'`]\w+["'`]\s*,\s*["'`][^"'`]*\/:\w/g,
    why: "PocketBase writes parameters of paths as {name} since 0.23, so ':name' is a path of its own",
  },
  {
    of: /\.schema\.(?:add|get|remove)Field\w*\(/g,
    why: "a collection has no 'schema' since PocketBase 0.23: use its 'fields'",
  },
  {
    of: /\bmigrate\(\s*\(?\s*db\b[^;]*?\bdb\.newQuery\(/g,
    why: 'the argument of a migration is the application since PocketBase 0.23: use app.db()',
  },
  {
    of: /\.httpContext\b|\b[ce]\.(?:pathParam|queryParams?)\(|\b[ce]\.get\(\s*["'](?:authRecord|admin)["']|\$apis\.requestInfo\(/g,
    why: `the context of a request is another one since PocketBase 0.23, so this fails when it runs: change it as in ${UPGRADE_GUIDE}`,
  },
];

/** The fields of a collection, as PocketBase before 0.23 named them. */
const OLD_FIELDS = /(?<![\w.])["']?schema["']?\s*:\s*\[\s*\{/;

/** Comments, and texts, which can contain what begins a comment. */
const COMMENT_OR_TEXT =
  /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g;

/** Finds code for PocketBase before 0.23 that is loaded without an error, in the text of a script. */
export function findMisleading(script: string): Misleading[] {
  const source = withoutComments(script);
  return MISLEADING.flatMap(({ of, why }) =>
    [...source.matchAll(of)].map(({ index, 0: text }) => ({
      line: source.slice(0, index + text.length).split('\n').length,
      why,
    })),
  ).toSorted((a, b) => a.line - b.line);
}

/** Returns the line of the first collection that has `schema` in place of `fields`; null without one. */
export function findOldFields(script: string): number | null {
  const source = withoutComments(script);
  const found = OLD_FIELDS.exec(source);
  return found && source.slice(0, found.index).split('\n').length;
}

/** Comments become spaces, so that lines keep their numbers. */
function withoutComments(script: string): string {
  return script.replace(COMMENT_OR_TEXT, (part) =>
    part.startsWith('/') ? part.replaceAll(/[^\n]/g, ' ') : part,
  );
}
