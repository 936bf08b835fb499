import { readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from '../../../base/files/replace-file.ts';
import { type CURRENT, type FALLBACK, type PREVIOUS, RELEASES, type UNINSTALLING } from './layout.ts';

export interface Release {
  /** The folder's name in `/opt/fathom`. */
  name: string;
  version: string;
}

type Link = typeof CURRENT | typeof PREVIOUS | typeof FALLBACK;

/** The release that a link names; null when there is none. */
export async function linked(link: Link): Promise<Release | null> {
  const name = await readlink(link).catch(() => null);
  if (name === null) return null;
  const manifest = JSON.parse(await readFile(join(RELEASES, name, 'package.json'), 'utf8')) as {
    version: string;
  };
  return { name, version: manifest.version };
}

/** In one step: there is no moment without the link. On the disk when this returns, so links change in the order of the program. */
export async function pointTo(link: Link, { name }: Release): Promise<void> {
  const next = `${link}.next`;
  await rm(next, { force: true });
  await symlink(name, next);
  await rename(next, link);
  await syncDirectory(RELEASES);
}

export async function unlink(link: Link | typeof UNINSTALLING): Promise<void> {
  await rm(link, { force: true });
  await syncDirectory(RELEASES);
}
