import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

/**
 * Imports point one way. Each layer names the layers right below it and may import those, everything
 * below those, and itself. A path ending in `/` is a folder (the longest match wins), one with `*` is what lies at any
 * depth and ends so (it wins over folders), any other is a file.
 * A new folder of product source is added here, and nowhere else.
 */
const layers: Record<string, readonly string[]> = {
  'shared/': [],
  'shared/client/': ['shared/'],

  'daemon/base/': ['shared/'],
  'daemon/config/': ['daemon/base/'],
  'daemon/events/': ['daemon/base/'],
  'daemon/keys/': ['daemon/base/'],
  'daemon/metrics/': ['daemon/events/'],
  'daemon/pocketbase/': ['daemon/keys/', 'daemon/config/', 'daemon/events/'],
  'daemon/control-plane/': ['daemon/pocketbase/'],
  'daemon/secrets/': ['daemon/control-plane/'],
  'daemon/accounts/': ['daemon/control-plane/', 'daemon/events/'],
  'daemon/alerts/': ['daemon/accounts/'],
  'daemon/audit/': ['daemon/control-plane/', 'daemon/events/'],
  'daemon/supervisor/': ['daemon/pocketbase/'],
  'daemon/databases/': ['daemon/supervisor/', 'daemon/accounts/', 'daemon/audit/'],
  'daemon/backups/': ['daemon/pocketbase/'],
  'daemon/replication/': ['daemon/backups/', 'daemon/supervisor/'],
  'daemon/cluster/': ['daemon/control-plane/', 'daemon/supervisor/'],
  'daemon/rollouts/': ['daemon/databases/', 'daemon/backups/'],
  'daemon/backups/restore/': ['daemon/backups/', 'daemon/rollouts/'],
  'daemon/backups/archived/': ['daemon/backups/restore/', 'daemon/usage/'],
  'daemon/backups/export/': ['daemon/backups/restore/'],
  'daemon/backups/drills/': ['daemon/backups/restore/'],
  'daemon/queue/': ['daemon/databases/'],
  'daemon/usage/': ['daemon/databases/'],
  'daemon/work/': ['daemon/databases/'],
  'daemon/http/': ['daemon/accounts/', 'daemon/metrics/'],
  'daemon/*-routes.ts': [
    'daemon/alerts/',
    'daemon/backups/',
    'daemon/cluster/',
    'daemon/http/',
    'daemon/backups/archived/',
    'daemon/backups/export/',
    'daemon/backups/drills/',
    'daemon/queue/',
    'daemon/rollouts/',
    'daemon/secrets/',
    'daemon/usage/',
    'daemon/work/',
  ],
  'daemon/stream/': ['daemon/http/', 'daemon/queue/', 'daemon/work/'],
  'daemon/audit/audit-requests.ts': ['daemon/http/', 'daemon/audit/'],
  'daemon/startup/': [
    'daemon/replication/',
    'daemon/*-routes.ts',
    'daemon/stream/',
    'daemon/audit/audit-requests.ts',
  ],
  'daemon/daemon.ts': ['daemon/startup/'],
  'daemon/host/systemd/': ['daemon/base/'],
  'daemon/host/install/': ['daemon/config/', 'shared/client/'],
  'daemon/host/daemon-process.ts': ['daemon/pocketbase/'],
  'daemon/host/doctor/': [
    'daemon/databases/',
    'daemon/cluster/',
    'daemon/replication/',
    'daemon/secrets/',
    'daemon/host/daemon-process.ts',
    'daemon/host/install/',
  ],
  'daemon/cli/': ['daemon/daemon.ts', 'daemon/host/doctor/', 'daemon/host/systemd/'],
  'daemon/main.ts': ['daemon/cli/'],
  'daemon/embed/': ['daemon/cli/'],

  'tui/theme.ts': ['shared/'],
  'tui/store/': ['shared/client/', 'tui/theme.ts'],
  'tui/servers/': ['tui/store/'],
  'tui/keys/': ['tui/store/'],
  'tui/widgets/': ['tui/keys/', 'tui/theme.ts'],
  'tui/dialogs/': ['tui/widgets/'],
  'tui/screens/': ['tui/dialogs/', 'tui/servers/'],
  'tui/app.tsx': ['tui/screens/'],
  'tui/launch/': ['tui/app.tsx'],
  'tui/main.tsx': ['tui/launch/'],

  'web/': ['shared/client/'],
};

/** Programs that meet only in shared. */
const SIDES: ReadonlySet<string> = new Set(['daemon', 'tui', 'web']);

/**
 * `layer-order`: imports a layer above or beside its own. `two-sides`: daemon, tui and web meet only in shared.
 * `shared-alone`: shared imports nothing local but shared. `product-only`: product code imports test code or
 * anything else that is not built. `unknown-layer`: the file lies in no layer of the table. `cycle`: files import each
 * other, directly or over others; imports of types count.
 */
type Rule = 'layer-order' | 'two-sides' | 'shared-alone' | 'product-only' | 'unknown-layer' | 'cycle';

export interface Violation {
  file: string;
  line: number;
  rule: Rule;
  message: string;
}

interface Import {
  specifier: string;
  line: number;
}

/** Checks every source file under `daemon`, `tui`, `web` and `shared` of `root`; violations come in file and line order. */
export function checkImportBoundaries(root: string): Violation[] {
  const imports = new Map(
    sourceFiles(root).map((file) => [file, localImports(file, readFileSync(join(root, file), 'utf8'))]),
  );
  const cycles = findCycles(imports);
  return [...imports].flatMap(([file, targets]) => [
    ...checkFile(file, targets),
    ...cycles.filter((cycle) => cycle.file === file),
  ]);
}

interface LocalImport {
  target: string;
  line: number;
}

function localImports(file: string, source: string): LocalImport[] {
  return findImports(source).flatMap(({ specifier, line }) =>
    specifier.startsWith('.')
      ? [{ target: posix.normalize(posix.join(dirname(file), specifier)), line }]
      : [],
  );
}

/** One violation for each cycle, at its first file. Cycles that share a file with a reported one are left out. */
function findCycles(imports: ReadonlyMap<string, readonly LocalImport[]>): Violation[] {
  const reported = new Set<string>();
  return [...imports].flatMap(([file, targets]): Violation[] => {
    for (const { target, line } of targets) {
      const path = shortestPath(imports, target, file);
      if (path === null || path.some((step) => reported.has(step))) continue;
      for (const step of path) reported.add(step);
      return [{ file, line, rule: 'cycle', message: [file, ...path].join(' imports ') }];
    }
    return [];
  });
}

/** The files on the shortest way of imports between two files, both included; null when there is none. */
function shortestPath(
  imports: ReadonlyMap<string, readonly LocalImport[]>,
  from: string,
  to: string,
): string[] | null {
  const previous = new Map<string, string | null>([[from, null]]);
  for (const file of previous.keys()) {
    if (file === to) {
      const path = [file];
      for (let step = previous.get(file); step; step = previous.get(step)) path.unshift(step);
      return path;
    }
    for (const { target } of imports.get(file) ?? []) if (!previous.has(target)) previous.set(target, file);
  }
  return null;
}

export function formatViolation({ file, line, rule, message }: Violation): string {
  return `${file}:${line}: ${rule}: ${message}`;
}

function sourceFiles(root: string): string[] {
  const files = ['daemon', 'tui', 'web', 'shared'].flatMap((side) => filesBelow(root, side));
  return files.filter((file) => /\.(?:[cm]?[jt]s|[jt]sx)$/.test(file)).toSorted();
}

function filesBelow(root: string, folder: string): string[] {
  try {
    const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => posix.join(entry.parentPath, entry.name).slice(posix.join(root, '/').length));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

function checkFile(file: string, imports: readonly LocalImport[]): Violation[] {
  const layer = layerOf(file);
  if (layer === undefined) {
    const message = `${file} lies in no layer; move it, or add its layer to scripts/import-boundaries.ts`;
    return [{ file, line: 1, rule: 'unknown-layer', message }];
  }
  return imports.flatMap(({ target, line }) => {
    const rule = brokenRule(file, layer, target);
    return rule === undefined ? [] : [{ file, line, rule, message: `${layer} may not import ${target}` }];
  });
}

function brokenRule(file: string, layer: string, target: string): Rule | undefined {
  const from = sideOf(layer);
  const to = sideOf(target);
  const targetLayer = layerOf(target);
  if (isTest(file) && (to === 'test' || targetLayer === 'shared/client/')) return undefined;
  if (targetLayer !== undefined && reachable(layer).has(targetLayer)) return undefined;
  if (from === 'shared' && to !== 'shared') return 'shared-alone';
  if (from !== to && SIDES.has(from) && SIDES.has(to)) return 'two-sides';
  return targetLayer === undefined && to !== from ? 'product-only' : 'layer-order';
}

/** The layer of a file; a test belongs to the layer of its source. */
function layerOf(file: string): string | undefined {
  const path = file.replace(/\.test(?=\.tsx?$)/, '');
  return Object.keys(layers)
    .filter((layer) => holds(layer, path))
    .toSorted((a, b) => Number(b.includes('*')) - Number(a.includes('*')) || b.length - a.length)[0];
}

function holds(layer: string, path: string): boolean {
  if (layer.endsWith('/')) return path.startsWith(layer);
  const [start, end] = layer.split('*');
  return end === undefined ? path === layer : path.startsWith(start ?? '') && path.endsWith(end);
}

function reachable(layer: string, seen = new Set<string>()): Set<string> {
  if (seen.has(layer)) return seen;
  seen.add(layer);
  for (const below of layers[layer] ?? []) reachable(below, seen);
  return seen;
}

function sideOf(path: string): string {
  return path.split('/', 1)[0] ?? '';
}

function isTest(file: string): boolean {
  return /\.test\.tsx?$/.test(file);
}

/**
 * Scanned left to right, so that comments, templates, regular expressions and other strings are consumed whole and
 * an import written inside one is not seen. TypeScript 7 has no stable parser API yet.
 */
const token = new RegExp(
  [
    String.raw`\/\/[^\n]*|\/\*[\s\S]*?\*\/`,
    String.raw`(?<![\w$.])(?:import|export)\b(?:\/\*[\s\S]*?\*\/|\/\/[^\n]*|[^'"\x60;()=])*?(?<=\bfrom\s*|\bimport\s*)(?:'(?<single>[^'\n]+)'|"(?<double>[^"\n]+)")`,
    String.raw`(?<![\w$.])(?:import|require)\s*\(\s*(?:'(?<calledSingle>[^'\n]+)'|"(?<calledDouble>[^"\n]+)")`,
    String.raw`\x60(?:[^\x60\\]|\\[\s\S])*\x60`,
    String.raw`'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"`,
    String.raw`(?<=[=(,:[!&|?{};]\s*)\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/`,
  ].join('|'),
  'g',
);

/** Static imports, re-exports, dynamic imports, `import('x')` types and `require`, with their line (from 1). */
export function findImports(source: string): Import[] {
  return [...source.matchAll(token)].flatMap((match) => {
    const { single, double, calledSingle, calledDouble } = match.groups ?? {};
    const specifier = single ?? double ?? calledSingle ?? calledDouble;
    return specifier === undefined
      ? []
      : [{ specifier, line: source.slice(0, match.index).split('\n').length }];
  });
}
