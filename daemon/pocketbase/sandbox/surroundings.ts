import { readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The paths that together hold every file of the host except those in hidden directories. Landlock only has rules that
 * allow something. So it needs one for each entry beside the way to a hidden path.
 *
 * @param hidden files and directories; missing ones are ignored
 */
export function pathsAround(hidden: readonly string[], root = '/'): string[] {
  const targets = hidden.flatMap((path) => realPath(path) ?? []);
  if (targets.length === 0) return [root];
  const visit = (directory: string): string[] =>
    entriesOf(directory).flatMap((name) => {
      const path = join(directory, name);
      const real = realPath(path);
      if (real === null || targets.some((target) => isInside(real, target))) return [];
      if (!targets.some((target) => isInside(target, real))) return [path];
      // A link to a directory on the way would open what is hidden. The directory itself is visited by its own name.
      return real === path ? visit(path) : [];
    });
  return visit(root);
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    // What this user cannot read, it needs no rule for.
    return [];
  }
}

function realPath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null;
  }
}

function isInside(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory === '/' ? '/' : `${directory}/`);
}
