import { existsSync, readFileSync } from 'node:fs';
import { cp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { exists, makeDirectory } from '../base/files/dir.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import { packageRoot } from '../base/package.ts';
import { flagValue, NO_DIRECTORY } from '../pocketbase/process/command.ts';
import { argumentsOf } from '../pocketbase/process/procfs.ts';
import { GUARDS, HOOK_ENTRY, hookEntry } from './hook-entry.ts';
import type { InstanceSpec } from './instance-spec.ts';

/*
 * Hooks that the next process of a user database loads. Hooks cost memory, so a database has none unless it needs one. A
 * file with the parameters of a hook says that it is needed, and outlives the daemon:
 *
 *   hooks/refuse-writes.json                  needed
 *   hooks/limit-sign-ins.json                 needed
 *   hooks/limit-sign-ins+refuse-writes@own/   what the process loads: the hooks with their parameters
 *   hooks/refuse-writes@HASH/                 the same, with the hooks of applications
 *
 * See `hook-entry.ts` for the files in them.
 */

/** Files that register hooks. */
const LOADED = '.pb.js';
/** Begins the hash of hooks of applications in the name of a directory. */
const OTHERS = '@';
/** In the place of the hash. */
const NO_OTHERS = 'own';

/** In `pb_hooks`. */
const FILES = {
  'guard-developer': [
    'global/rules/superuser-addresses.js',
    'user/developer-collections.js',
    'user/developer-import.js',
    'user/developer-requests.js',
    'user/developer-settings.js',
    'user/developer-sql.js',
    'user/developer-targets.js',
    'user/guard-developer.pb.js',
  ],
  'limit-sign-ins': [
    'global/rules/superuser-addresses.js',
    'user/networks.js',
    'user/sign-in-limits.js',
    'user/limit-sign-ins.pb.js',
  ],
  'limit-uploads': ['user/upload-limits.js', 'user/limit-uploads.pb.js'],
  'refuse-writes': ['user/full-database.js', 'user/refuse-writes.pb.js'],
} as const;

export type InstanceHook = keyof typeof FILES;

const HOOKS = Object.keys(FILES) as InstanceHook[];

/** Whether the next process of the instance loads the hook. */
export function hasHook(directory: string, hook: InstanceHook): boolean {
  return existsSync(parametersOf(directory, hook));
}

/** The parameters of a hook that the next process loads; null without it. A damaged file has none. */
export function hookParameters(directory: string, hook: InstanceHook): Record<string, unknown> | null {
  if (!hasHook(directory, hook)) return null;
  try {
    return JSON.parse(readFileSync(parametersOf(directory, hook), 'utf8')) as Record<string, unknown>;
  } catch {
    return {};
  }
}

/** Whether a running process has loaded the hook; null when it has ended. */
export function loadsHook(pid: number, hook: InstanceHook): boolean | null {
  const argv = argumentsOf(pid);
  if (argv === null) return null;
  const [guards = ''] = basename(flagValue(argv, 'hooksDir') ?? '').split(OTHERS);
  return guards.split('+').includes(hook);
}

/** What the next process loads: the hooks of the instance, of applications for example, and those that are needed. */
type HookedSpec = Pick<InstanceSpec, 'directory' | 'hooksDir'>;

/** The directory of the hooks that the next process loads; null without hooks. */
export function hooksDirOf({ directory, hooksDir }: HookedSpec): string | null {
  const needed = HOOKS.filter((hook) => hasHook(directory, hook));
  if (needed.length === 0) return hooksDir;
  const others = hooksDir === null ? NO_OTHERS : basename(dirname(hooksDir));
  return join(rootOf(directory), `${needed.join('+')}${OTHERS}${others}`);
}

/** Whether a process has other hooks than the next one would load. Without hooks, it has a path that does not exist. */
export function hasOtherHooks(loaded: string | null, spec: HookedSpec): boolean {
  const needed = hooksDirOf(spec);
  return needed === null ? loaded !== null && basename(loaded) !== NO_DIRECTORY : loaded !== needed;
}

/** Makes the next process load a hook. */
export async function addHook(spec: HookedSpec, hook: InstanceHook, parameters: object): Promise<void> {
  const { directory } = spec;
  await makeDirectory(rootOf(directory));
  await replaceFile(parametersOf(directory, hook), JSON.stringify(parameters), {
    mode: 0o600,
    synced: false,
  });
  // Now, because the disk may be full at the next start.
  await prepareHooks(spec);
}

export async function removeHook(directory: string, hook: InstanceHook): Promise<void> {
  await rm(parametersOf(directory, hook), { force: true });
}

/** Writes the hooks of this release that the next process needs. Returns their directory; null without hooks. */
export async function prepareHooks(spec: HookedSpec): Promise<string | null> {
  const { directory, hooksDir } = spec;
  const target = hooksDirOf(spec);
  if (target === null || target === hooksDir) return target;
  if (hooksDir !== null && !(await exists(target))) await copyHooks(hooksDir, target);
  await makeDirectory(join(target, GUARDS));
  const guards: string[] = [];
  for (const hook of HOOKS.filter((name) => hasHook(directory, name))) {
    const sources = FILES[hook].map((file) => join(packageRoot(), 'pb_hooks', file));
    for (const source of [parametersOf(directory, hook), ...sources]) {
      const path = join(GUARDS, basename(source));
      await writeChanged(join(target, path), await readFile(source));
      if (path.endsWith(LOADED)) guards.push(path);
    }
  }
  const others = hooksDir === null ? '' : await readFile(join(hooksDir, HOOK_ENTRY), 'utf8');
  await writeChanged(join(target, HOOK_ENTRY), Buffer.from(`${hookEntry(guards)}${others}`));
  return target;
}

/** Removes hooks that the next process does not load, also those of earlier releases. Call it while no process runs. */
export async function removeOldHooks(spec: HookedSpec): Promise<void> {
  const root = rootOf(spec.directory);
  // Most databases have none, and a start waits for this.
  if (!existsSync(root)) return;
  const kept = hooksDirOf(spec);
  for (const entry of await readdir(root, { withFileTypes: true })) {
    const path = join(root, entry.name);
    if (entry.isDirectory() && path !== kept) await rm(path, { recursive: true, force: true });
  }
}

/** The copy appears complete, so that a process never loads a part of the hooks. */
async function copyHooks(from: string, to: string): Promise<void> {
  const building = `${to}.building`;
  await rm(building, { recursive: true, force: true });
  await makeDirectory(dirname(building));
  await cp(from, building, { recursive: true });
  await rename(building, to);
}

/** A full disk does not matter while the file has not changed. */
async function writeChanged(path: string, content: Buffer): Promise<void> {
  const present = await readFile(path).catch(() => null);
  if (present?.equals(content) !== true) await replaceFile(path, content, { mode: 0o600, synced: false });
}

function rootOf(directory: string): string {
  return join(directory, 'hooks');
}

function parametersOf(directory: string, hook: InstanceHook): string {
  return join(rootOf(directory), `${hook}.json`);
}
