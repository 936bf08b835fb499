import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSources } from '../../../config/sources/sources.ts';
import { run } from '../host.ts';
import { ACCOUNT, DATA, ENV_FILE, RELEASES } from './layout.ts';
import type { Release } from './links.ts';

const MIGRATIONS = join('pb_migrations', 'user');
/** The application that gets them. */
const APPLICATION = 'local';

/** What to do about each file of the release before. */
export interface CarryOver {
  /** Files that an administrator added: the next release does not have them. */
  added: string[];
  /** In both, with different contents: unknown which of the two changed it. */
  different: string[];
}

export function planCarryOver(
  before: ReadonlyMap<string, Uint8Array>,
  next: ReadonlyMap<string, Uint8Array>,
): CarryOver {
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
 * Copies migrations that an administrator added to a release to a directory below the data, which upgrades keep.
 * They keep their names, so databases that applied them do not apply them again.
 *
 * @throws when a file cannot be copied: the release before has to stay then
 */
export async function carryMigrationsOver(
  before: Release,
  next: Release,
  say: (line: string) => void,
): Promise<void> {
  const [from, to] = [before, next].map(({ name }) => join(RELEASES, name, MIGRATIONS)) as [string, string];
  const contents = await filesIn(from);
  const { added, different } = planCarryOver(contents, await filesIn(to));
  for (const name of different) {
    say(
      `${join(from, name)} is not the file of ${next.name}; changes of your own belong into another migration`,
    );
  }
  if (added.length === 0) return;
  const { appDir, chosen } = settings();
  const target = join(appDir, APPLICATION, 'migrations');
  await asAccount('mkdir', ['-p', '-m', '700', target]);
  const there = await filesIn(target);
  for (const name of added) {
    const is = there.get(name);
    if (is === undefined) {
      await asAccount('cp', [join(from, name), join(target, name)]);
      say(`copied the migration ${name} to ${target}`);
    } else if (Buffer.compare(is, contents.get(name) ?? new Uint8Array()) !== 0) {
      say(`${join(target, name)} stays as it is; ${join(from, name)} is another one`);
    }
  }
  if (chosen !== null && !chosen.includes(APPLICATION)) {
    say(
      `FATHOM_APPS does not name '${APPLICATION}': add it in ${ENV_FILE}, or these migrations are not used`,
    );
  }
}

/** As the service reads them. */
function settings(): { appDir: string; chosen: string[] | null } {
  const { get, dataDir } = readSources({ commandLine: { envFile: ENV_FILE }, env: {}, cwd: DATA });
  const chosen = get('FATHOM_APPS')
    ?.split(',')
    .map((name) => name.trim());
  return { appDir: get('FATHOM_APP_DIR') ?? join(dataDir, 'apps'), chosen: chosen ?? null };
}

/** In a directory of the service's account, root would follow what that account put there. */
async function asAccount(file: string, args: readonly string[]): Promise<void> {
  await run('setpriv', [`--reuid=${ACCOUNT}`, `--regid=${ACCOUNT}`, '--init-groups', '--', file, ...args]);
}

/** At the top level; none when the directory is not there. */
async function filesIn(directory: string): Promise<Map<string, Uint8Array>> {
  let entries: Awaited<ReturnType<typeof list>>;
  try {
    entries = await list(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw error;
  }
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith('.'));
  return new Map(
    await Promise.all(files.map(async ({ name }) => [name, await readFile(join(directory, name))] as const)),
  );
}

function list(directory: string) {
  return readdir(directory, { withFileTypes: true });
}
