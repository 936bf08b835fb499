import type { Instance } from '../../../shared/instance.ts';

const remembered = new WeakMap<ReadonlyMap<string, Instance>, Map<string, Instance>>();

/** The instance of a user; looked up in an index that is made once for each state of the fleet. */
export function instanceOf(instances: ReadonlyMap<string, Instance>, user: string | null): Instance | null {
  if (user === null) return null;
  let index = remembered.get(instances);
  if (index === undefined) {
    index = new Map();
    for (const instance of instances.values()) {
      if (instance.user_id !== null) index.set(instance.user_id, instance);
    }
    remembered.set(instances, index);
  }
  return index.get(user) ?? null;
}
