import { normalize } from 'node:path';

/** Whether a relative path stays below the directory that it is joined to. */
export function isSafePath(path: string): boolean {
  return normalize(path) === path && !path.startsWith('/') && path.split('/').at(0) !== '..';
}
