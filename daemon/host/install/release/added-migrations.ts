import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessMissing } from '../../../base/files/dir.ts';
import { readSources } from '../../../config/sources/sources.ts';
import { run } from '../host.ts';
import { ACCOUNT, DATA, ENV_FILE, RELEASES } from './layout.ts';
import type { Release } from './links.ts';

const MIGRATIONS = join('pb_migrations', 'user');
/** Contains the applications of a release. */
const APPLICATIONS = 'pb_apps';
/** The application that the copied migrations belong to. */
const APPLICATION = 'local';

export interface MigrationDifferences {
  /** Files that only the former release has: an administrator added them. */
  added: string[];
  /** Files of both releases with different contents. It is unknown which side changed. */
  different: string[];
}

export function compareMigrations(
  before: ReadonlyMap<string, Uint8Array>,
  next: ReadonlyMap<string, Uint8Array>,
): MigrationDifferences {
  const names = [...before.keys()].toSorted();
  return {
    added: names.filter((name) => !next.has(name)),
    different: names.filter((name) => {
      const other = next.get(name);
      return other !== undefined && Buffer.compare(before.get(name) ?? new Uint8Array(), other) !== 0;
    }),
  };
}

/**
 * Copies migrations that an administrator added to a release into an application of the data directory, which upgrades
 * keep. The copies have the same names, so databases that applied them do not apply them again.
 *
 * @throws when a file cannot be copied; then keep the former release
 */
export async function copyAddedMigrations(
  before: Release,
  next: Release,
  print: (line: string) => void,
): Promise<void> {
  const [from, to] = [before, next].map(({ name }) => join(RELEASES, name, MIGRATIONS)) as [string, string];
  const contents = await readFiles(from);
  const { added, different } = compareMigrations(contents, await readReleased(next, to));
  for (const name of different) {
    print(
      `${join(from, name)} differs from the file of release ${next.name}; move your changes into a new migration`,
    );
  }
  if (added.length === 0) return;
  const { appDir, applications } = readAppSettings();
  const target = join(appDir, APPLICATION, 'migrations');
  await runAsAccount('mkdir', ['-p', '-m', '700', target]);
  const present = await readFiles(target);
  for (const name of added) {
    const existing = present.get(name);
    if (existing === undefined) {
      await runAsAccount('cp', [join(from, name), join(target, name)]);
      print(`copied the migration ${name} to ${target}`);
    } else if (Buffer.compare(existing, contents.get(name) ?? new Uint8Array()) !== 0) {
      print(`kept ${join(target, name)}; it differs from ${join(from, name)}`);
    }
  }
  if (applications !== null && !applications.includes(APPLICATION)) {
    print(
      `these migrations are not used: FATHOM_APPS does not contain '${APPLICATION}'; add it in ${ENV_FILE}`,
    );
  }
}

/** Reads the settings of the service. `applications` is null when FATHOM_APPS is not set. */
function readAppSettings(): { appDir: string; applications: string[] | null } {
  const { get, dataDir } = readSources({ commandLine: { envFile: ENV_FILE }, env: {}, cwd: DATA });
  const applications = get('FATHOM_APPS')
    ?.split(',')
    .map((name) => name.trim());
  return { appDir: get('FATHOM_APP_DIR') ?? join(dataDir, 'apps'), applications: applications ?? null };
}

/** Runs a program as the service account. In its directories, root would follow links that the account created. */
async function runAsAccount(file: string, args: readonly string[]): Promise<void> {
  await run('setpriv', [`--reuid=${ACCOUNT}`, `--regid=${ACCOUNT}`, '--init-groups', '--', file, ...args]);
}

/** The migrations of a release. Those of its applications were in `directory` in earlier releases. */
async function readReleased(release: Release, directory: string): Promise<Map<string, Uint8Array>> {
  const applications = join(RELEASES, release.name, APPLICATIONS);
  const names = await readdir(applications).catch(unlessMissing);
  const all = [directory, ...(names ?? []).map((name) => join(applications, name, 'migrations'))];
  return new Map((await Promise.all(all.map(readFiles))).flatMap((files) => [...files]));
}

/** The files at the top level of a directory, by name. Empty when the directory does not exist. */
async function readFiles(directory: string): Promise<Map<string, Uint8Array>> {
  let entries: Awaited<ReturnType<typeof readEntries>>;
  try {
    entries = await readEntries(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.'));
  return new Map(
    await Promise.all(files.map(async ({ name }) => [name, await readFile(join(directory, name))] as const)),
  );
}

function readEntries(directory: string) {
  return readdir(directory, { withFileTypes: true });
}
