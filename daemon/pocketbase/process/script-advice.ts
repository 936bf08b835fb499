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
];

/** Finds code for PocketBase before 0.23 that is loaded without an error, in the text of a script. */
export function findMisleading(source: string): Misleading[] {
  return MISLEADING.flatMap(({ of, why }) =>
    [...source.matchAll(of)].map(({ index, 0: text }) => ({
      line: source.slice(0, index + text.length).split('\n').length,
      why,
    })),
  ).toSorted((a, b) => a.line - b.line);
}
