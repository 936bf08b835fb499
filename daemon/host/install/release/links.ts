import { readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from '../../../base/files/replace-file.ts';
import { type CURRENT, type FALLBACK, type PREVIOUS, RELEASES, type UNINSTALLING } from './layout.ts';

export interface Release {
  /** The name of its directory in `/opt/fathom`. */
  name: string;
  version: string;
}

type Link = typeof CURRENT | typeof PREVIOUS | typeof FALLBACK;

/** The release that a link names; null when the link does not exist. */
export async function readLink(link: Link): Promise<Release | null> {
  const name = await readlink(link).catch(() => null);
  if (name === null) return null;
  const manifest = JSON.parse(await readFile(join(RELEASES, name, 'package.json'), 'utf8')) as {
    version: string;
  };
  return { name, version: manifest.version };
}

/** Atomic. The link is on the disk when this returns, so a power failure cannot change the order of links. */
export async function setLink(link: Link, { name }: Release): Promise<void> {
  const next = `${link}.next`;
  await rm(next, { force: true });
  await symlink(name, next);
  await rename(next, link);
  await syncDirectory(RELEASES);
}

/** The change is on the disk when this returns. */
export async function removeLink(link: Link | typeof UNINSTALLING): Promise<void> {
  await rm(link, { force: true });
  await syncDirectory(RELEASES);
}
