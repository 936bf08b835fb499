import { join, resolve } from 'node:path';
import { createClient } from '../../../shared/client/fathom-client.ts';
import { isVersion } from '../../../shared/version.ts';
import { packageRoot } from '../../base/package.ts';
import { becomeOwner } from '../../base/process-account.ts';
import { readSources, type Sources } from '../../config/sources/sources.ts';
import { isRelease } from '../../host/install/release/layout.ts';
import { EMBEDDED } from '../../pocketbase/binary/binary.ts';
import { installVersion } from '../../pocketbase/binary/installed-versions.ts';
import { type KnownVersion, knownVersions } from '../../pocketbase/binary/known-versions.ts';
import { OFFICIAL_RELEASES } from '../../pocketbase/binary/release-download.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { UsageError } from '../input/usage-error.ts';
import { printable, printMessage } from '../output/print.ts';
import { type Column, printTable, type TableArguments } from '../output/table.ts';

interface Arguments {
  envFile?: string | undefined;
  dataDir?: string | undefined;
  json: boolean;
}

type Listed = KnownVersion & { daemon: boolean };

const COLUMNS: readonly Column<Listed>[] = [
  { title: 'VERSION', cell: ({ version }) => version ?? 'unknown' },
  { title: 'FROM', cell: ({ source }) => (source === 'setting' ? 'PB_BINARY_PATH' : source) },
  { title: 'USED BY', cell: (one) => usersOf(one) || null },
  { title: 'SHA-256', cell: ({ sha256 }) => sha256, cutTo: 12, hide: 1 },
  { title: 'PATH', cell: ({ path }) => path, hide: 2 },
  {
    title: '',
    cutTo: 20,
    cell: ({ problem }) => problem ?? '',
    colour: ({ problem }) => (problem === null ? null : 'red'),
  },
];

function usersOf({ daemon, chosen, instances }: Listed): string {
  const count = instances.length;
  return [
    ...(daemon ? ['the daemon'] : []),
    ...(chosen && !daemon ? ['the next start of the daemon'] : []),
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
    knownVersions(sources.dataDir, chosenPath(sources, cwd)),
    // The list works without a daemon. The doctor reports a daemon that does not answer.
    client.daemon.status().catch(() => null),
  ]);
  const listed = known.map((one) => ({
    ...one,
    daemon: one.path !== null && one.path === status?.pocketbase_path,
  }));
  if (args.json) printJson(context, listed);
  else printTable(listed, COLUMNS, args, context);
  return args.check && listed.some(({ problem }) => problem !== null) ? 1 : 0;
}

export async function installPocketBase(
  args: Arguments & { release: string; from?: string | undefined },
  context: CliContext,
): Promise<number> {
  const version = args.release.replace(/^v/, '');
  if (!isVersion(version)) {
    throw new UsageError(
      `'${args.release}' is not a version; name one like 0.40.1, see https://github.com/pocketbase/pocketbase/releases`,
    );
  }
  const { env, cwd } = context;
  const sources = readSources({ commandLine: args, env, cwd });
  const { dataDir } = sources;
  becomeOwner(dataDir);
  const from = args.from === undefined ? OFFICIAL_RELEASES : safeAddress(args.from);
  if (!args.json)
    printLine(context.stderr, printable(`fathomd: looking for PocketBase ${version} at ${from}`));
  const { binary, already } = await installVersion(version, { dataDir, from, arch: process.arch });
  const { path, sha256 } = binary;
  if (args.json) {
    printJson(context, { version, path, sha256, already_installed: already });
    return 0;
  }
  const lines = [
    `PocketBase ${version} is ${already ? 'here already, unchanged' : 'installed, as it was released'}: ${path}`,
    `SHA-256 ${sha256}`,
    '',
    ...(chosenPath(sources, cwd) === path
      ? ['PB_BINARY_PATH names it already; the daemon runs it from its next start on.']
      : wayThere(path, placeOfSetting(sources))),
    "'fathomd pocketbase list' shows who runs what.",
  ];
  for (const line of lines) printMessage(context, line);
  return 0;
}

function wayThere(path: string, place: string): string[] {
  const restart = isRelease(packageRoot()) ? ": 'systemctl restart fathomd'" : '';
  return [
    'Nothing is changed by that. To go over to it:',
    '  back up first: another PocketBase may change databases for good (docs/backup.md)',
    `  put this line into ${place}:`,
    `    PB_BINARY_PATH=${/[\s#'"]/.test(path) ? JSON.stringify(path) : path}`,
    `  restart the daemon${restart}, which replaces the instances one after the other`,
    `Without that line the embedded ${EMBEDDED.version} is run, with which this Fathom is tested.`,
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

/** Over plain HTTP, an attacker could replace the release and its checksums. */
function safeAddress(text: string): string {
  const url = URL.parse(text);
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(url?.hostname ?? '');
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && local)) return text.replace(/\/+$/, '');
  throw new UsageError(`--from ${text}: must be an https address (http only on this host)`);
}
