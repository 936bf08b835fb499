import { existsSync, readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeDirectory } from '../base/files/dir.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import { packageRoot } from '../base/package.ts';
import { flagValue } from '../pocketbase/process/command.ts';
import { argumentsOf } from '../pocketbase/process/procfs.ts';

/*
 * Hooks that the next process of a user database loads. Hooks cost memory, so a database has none unless it needs one. A
 * file with the parameters of a hook says that it is needed, and outlives the daemon:
 *
 *   hooks/refuse-writes.json                  needed
 *   hooks/limit-sign-ins.json                 needed
 *   hooks/limit-sign-ins+refuse-writes/       what the process loads: the hooks with their parameters
 */

/** In `pb_hooks`. */
const FILES = {
  'limit-sign-ins': [
    'global/rules/superuser-addresses.js',
    'user/networks.js',
    'user/sign-in-limits.js',
    'user/limit-sign-ins.pb.js',
  ],
  'limit-uploads': ['user/upload-limits.js', 'user/limit-uploads.pb.js'],
  'refuse-writes': ['user/refuse-writes.pb.js'],
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
  return basename(flagValue(argv, 'hooksDir') ?? '')
    .split('+')
    .includes(hook);
}

/** The directory of the hooks that the next process loads; null without hooks. */
export function hooksDirOf(directory: string): string | null {
  const needed = HOOKS.filter((hook) => hasHook(directory, hook));
  return needed.length === 0 ? null : join(rootOf(directory), needed.join('+'));
}

/** Makes the next process load a hook. */
export async function addHook(directory: string, hook: InstanceHook, parameters: object): Promise<void> {
  await makeDirectory(rootOf(directory));
  await replaceFile(parametersOf(directory, hook), JSON.stringify(parameters), {
    mode: 0o600,
    synced: false,
  });
  // Now, because the disk may be full at the next start.
  await prepareHooks(directory);
}

export async function removeHook(directory: string, hook: InstanceHook): Promise<void> {
  await rm(parametersOf(directory, hook), { force: true });
}

/** Writes the hooks of this release that the next process needs. Returns their directory; null without hooks. */
export async function prepareHooks(directory: string): Promise<string | null> {
  const target = hooksDirOf(directory);
  if (target === null) return null;
  await makeDirectory(target);
  for (const hook of HOOKS.filter((name) => hasHook(directory, name))) {
    const sources = FILES[hook].map((file) => join(packageRoot(), 'pb_hooks', file));
    for (const source of [parametersOf(directory, hook), ...sources]) await copyChanged(source, target);
  }
  return target;
}

/** A full disk does not matter while the file has not changed. */
async function copyChanged(source: string, target: string): Promise<void> {
  const path = join(target, basename(source));
  const [content, present] = await Promise.all([readFile(source), readFile(path).catch(() => null)]);
  if (present?.equals(content) !== true) await replaceFile(path, content, { mode: 0o600, synced: false });
}

function rootOf(directory: string): string {
  return join(directory, 'hooks');
}

function parametersOf(directory: string, hook: InstanceHook): string {
  return join(rootOf(directory), `${hook}.json`);
}
