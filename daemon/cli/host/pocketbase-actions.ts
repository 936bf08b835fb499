import { join, resolve } from 'node:path';
import { createClient } from '../../../shared/client/fathom-client.ts';
import { FathomError } from '../../../shared/errors.ts';
import { isVersion } from '../../../shared/version.ts';
import { packageRoot } from '../../base/package.ts';
import { becomeOwner } from '../../base/process-account.ts';
import { parseReleaseSources, type ReleaseSource } from '../../config/release-source.ts';
import { readSources, type Sources } from '../../config/sources/sources.ts';
import { readPins } from '../../databases/pins.ts';
import { isRelease } from '../../host/install/release/layout.ts';
import {
  advisoriesOf,
  fixText,
  hazardsOnTheWay,
  recommended,
} from '../../pocketbase/advisories/assess-releases.ts';
import { type Binary, EMBEDDED } from '../../pocketbase/binary/binary.ts';
import { installVersion } from '../../pocketbase/binary/installed-versions.ts';
import { type KnownVersion, knownVersions } from '../../pocketbase/binary/known-versions.ts';
import { releaseSources } from '../../pocketbase/binary/release-sources.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { UsageError } from '../input/usage-error.ts';
import { printable, printMessage } from '../output/print.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';

interface Arguments {
  envFile?: string | undefined;
  dataDir?: string | undefined;
  json: boolean;
}

/** `advisories`: identifiers of its known vulnerabilities. */
type Listed = KnownVersion & { daemon: boolean; advisories: string[] };

const COLUMNS: readonly Column<Listed>[] = [
  { title: 'VERSION', cell: ({ version }) => version ?? 'unknown' },
  { title: 'FROM', cell: ({ source }) => (source === 'setting' ? 'PB_BINARY_PATH' : source) },
  { title: 'USED BY', cell: (one) => usersOf(one) || null },
  {
    title: 'VULNERABILITIES',
    cell: ({ advisories }) => advisories.join(', ') || null,
    colour: () => 'red',
  },
  { title: 'SHA-256', cell: ({ sha256 }) => sha256, cutTo: 12, hide: 1 },
  { title: 'PATH', cell: ({ path }) => path, hide: 2 },
  {
    title: '',
    cutTo: 20,
    cell: ({ problem }) => problem ?? '',
    colour: ({ problem }) => (problem === null ? null : 'red'),
  },
];

function usersOf({ daemon, chosen, pinned, instances }: Listed): string {
  const count = instances.length;
  return [
    ...(daemon ? ['the daemon'] : []),
    ...(chosen && !daemon ? ['the next start of the daemon'] : []),
    ...(pinned.length > 0 ? [`${pinned.length} pinned`] : []),
    ...(count > 0 ? [`${count} ${count === 1 ? 'instance' : 'instances'}`] : []),
  ].join(', ');
}

export async function listVersions(
  args: Arguments & TableArguments & { check: boolean },
  context: CliContext,
): Promise<number> {
  const { env, cwd } = context;
  const input = { commandLine: args, env, cwd };
  const sources = readSources(input);
  becomeOwner(sources.dataDir);
  const client = createClient({ target: { socketPath: sources.socketPath }, timeoutMs: 3000 });
  const [known, status] = await Promise.all([
    knownVersions(sources.dataDir, chosenPath(sources, cwd), pinsOf(sources)),
    // The list works without a daemon. The doctor reports a daemon that does not answer.
    client.daemon.status().catch(() => null),
  ]);
  const listed = known.map((one) => ({
    ...one,
    daemon: one.path !== null && one.path === status?.pocketbase_path,
    advisories: one.version === null ? [] : advisoriesOf(one.version).map(({ id }) => id),
  }));
  if (args.json) printJson(context, listed);
  else printTable(listed, COLUMNS, args, context);
  return args.check && listed.some(({ problem }) => problem !== null) ? 1 : 0;
}

function pinsOf({ dataDir, get }: Sources): Map<string, string[]> {
  const globalVersion = get('PB_GLOBAL_VERSION')?.trim();
  const pins = [
    ...(globalVersion === undefined ? [] : [{ name: 'global', version: globalVersion }]),
    ...readPins(join(dataDir, 'global', 'pb_data', 'data.db')),
  ];
  const groups = Map.groupBy(pins, ({ version }) => version);
  return new Map([...groups].map(([version, some]) => [version, some.map(({ name }) => name)]));
}

export async function installPocketBase(
  args: Arguments & { release?: string | undefined; from?: string | undefined },
  context: CliContext,
): Promise<number> {
  const { env, cwd } = context;
  const sources = readSources({ commandLine: args, env, cwd });
  const { dataDir } = sources;
  const version = args.release === undefined ? recommendedVersion() : namedVersion(args.release);
  becomeOwner(dataDir);
  const print = (line: string): void => printLine(context.stderr, printable(`fathomd: ${line}`));
  const { binary, already } = await installVersion(version, {
    dataDir,
    sources: await sourcesFor(args, sources, cwd),
    arch: process.arch,
    ...(args.json ? {} : { onProgress: print }),
  });
  const { path, sha256 } = binary;
  const advisories = advisoriesOf(version);
  const hazards = hazardsOnTheWay(EMBEDDED.version, version);
  if (args.json) {
    printJson(context, {
      version,
      path,
      sha256,
      already_installed: already,
      advisories: advisories.map(({ id }) => id),
      hazards: hazards.map(({ id }) => id),
    });
    return 0;
  }
  const lines = [
    `PocketBase ${version} is ${already ? 'already installed, unchanged' : 'installed, as it was released'}: ${path}`,
    `SHA-256 ${sha256}`,
    ...advisories.map(
      (one) => `warning: it has ${one.id} (${one.severity}, ${fixText(one)}): ${one.summary}`,
    ),
    ...hazards.map(
      ({ summary, avoid }) => `${avoid ? 'warning: choose another release' : 'note'}: ${summary}`,
    ),
    '',
    ...(chosenPath(sources, cwd) === path
      ? ['PB_BINARY_PATH names it already; the daemon runs it from its next start on.']
      : stepsToChoose(binary, placeOfSetting(sources))),
    "'fathomd pocketbase list' shows which instances run which version.",
  ];
  for (const line of lines) printMessage(context, line);
  return 0;
}

function namedVersion(release: string): string {
  const version = release.replace(/^v/, '');
  if (isVersion(version)) return version;
  throw new UsageError(
    `'${release}' is not a version; name one like 0.40.6, see https://github.com/pocketbase/pocketbase/releases`,
  );
}

/** @throws FathomError `not_found` */
function recommendedVersion(): string {
  const release = recommended(EMBEDDED.version);
  if (release !== null) return release.version;
  throw new FathomError('not_found', 'no release of PocketBase is recommended; name a version');
}

/** The sources of `--from`, or else of PB_RELEASES_URL. */
async function sourcesFor(
  { from }: { from?: string | undefined },
  { get }: Sources,
  cwd: string,
): Promise<ReleaseSource[]> {
  const [name, text] =
    from === undefined ? ['PB_RELEASES_URL', get('PB_RELEASES_URL') ?? ''] : ['--from', from];
  const configured = parseReleaseSources(text, cwd, (problem) => {
    throw new UsageError(`${name}: ${problem}`);
  });
  if (from === undefined) return releaseSources(configured);
  if (configured.length === 0) throw new UsageError('--from: it names no source');
  return configured;
}

function stepsToChoose({ path, version }: Binary, place: string): string[] {
  const restart = isRelease(packageRoot()) ? ": 'systemctl restart fathomd'" : '';
  return [
    'Nothing has changed yet. To use it (docs/upgrades.md):',
    '  1. back up (docs/backups.md)',
    `  2. run 'fathomd pocketbase upgrade ${version}', which tests each user database and goes back if it fails`,
    `  3. for the global PocketBase and new databases, put this line into ${place}:`,
    `    PB_BINARY_PATH=${/[\s#'"]/.test(path) ? JSON.stringify(path) : path}`,
    `  4. restart the daemon${restart}; it also changes databases that step 2 has not`,
    `For single databases: 'fathomd databases pin NAME ${version}'.`,
    `Without that line, they use the embedded ${EMBEDDED.version}.`,
  ];
}

function chosenPath({ get }: Sources, cwd: string): string | null {
  const path = get('PB_BINARY_PATH')?.trim();
  return path === undefined ? null : resolve(cwd, path);
}

/** The place of the setting, or the file to add it to. */
function placeOfSetting(sources: Sources): string {
  const now = sources.originOf('PB_BINARY_PATH');
  return (
    (now === undefined ? undefined : `${now}, in place of the one that is there`) ??
    sources.namedFile ??
    sources.files[0]?.path ??
    join(sources.dataDir, '.env')
  );
}
