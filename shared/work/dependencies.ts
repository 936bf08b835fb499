import type { Refusal } from './refusal.ts';

/**
 * Whether one item may block another.
 * @param blockedBy the ids of the items that an item blocks directly
 * @returns the refusal, or undefined when it may
 */
export function validateDependency(
  blocker: string,
  blocked: string,
  blockedBy: (id: string) => readonly string[],
): Refusal | undefined {
  if (blocker === blocked) return { code: 'self_dependency', message: 'An item cannot depend on itself.' };
  const path = pathBetween(blocked, blocker, blockedBy);
  if (path === undefined) return undefined;
  return {
    code: 'circular_dependency',
    message: `The dependency closes a circle: ${[blocker, ...path].join(' → ')}.`,
  };
}

/** The shortest path from one item to another, breadth first. It reads the dependencies of each item once. */
function pathBetween(
  from: string,
  to: string,
  blockedBy: (id: string) => readonly string[],
): string[] | undefined {
  const reachedFrom = new Map<string, string | null>([[from, null]]);
  const queue = [from];
  // The loop also visits what is appended while it runs.
  for (const item of queue) {
    if (item === to) {
      const path: string[] = [];
      // PocketBase's JavaScript has no `toReversed`.
      for (let at: string | null = to; at !== null; at = reachedFrom.get(at) ?? null) path.unshift(at);
      return path;
    }
    for (const next of blockedBy(item)) {
      if (reachedFrom.has(next)) continue;
      reachedFrom.set(next, item);
      queue.push(next);
    }
  }
  return undefined;
}
