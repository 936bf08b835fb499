import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Change, type Coordinator, type Entry, MAX_CHANGES } from '../coordinator.ts';
import { freed } from '../ownership.ts';
import { type Lack, type OwnerRecord, ownersOf, parseOwner } from '../records.ts';

/** A record can change while it is read, when the answer to an earlier change was lost. */
const ATTEMPTS = 3;
/** While etcd chooses a leader. */
const RETRY_MS = 1_000;
const SHOWN_NAMES = 20;

/** A record that names a node. */
export interface Owned {
  entry: Entry;
  owner: OwnerRecord;
}

export async function readOwned(coordinator: Coordinator, prefix: string, node: string): Promise<Owned[]> {
  const all = (await coordinator.list(prefix)).map((entry) => ({ entry, owner: parseOwner(entry) }));
  return all.filter(({ owner }) => owner.node === node);
}

export function chunks<T>(items: readonly T[]): T[][] {
  const count = Math.ceil(items.length / MAX_CHANGES);
  return Array.from({ length: count }, (_, n) => items.slice(n * MAX_CHANGES, (n + 1) * MAX_CHANGES));
}

/** The change that frees them, if none of them has changed since. */
export function freeing(owned: readonly Owned[], now: Date): Required<Pick<Change, 'expect' | 'put'>> {
  return {
    expect: owned.map(({ entry: { key, revision } }) => ({ key, revision })),
    put: owned.map(({ entry: { key }, owner }) => ({ key, value: JSON.stringify(freed(owner, now)) })),
  };
}

/**
 * Keeps databases with a node that ends, because their replicas lack something. All others can be taken over.
 *
 * @param lacking by name: what the replica lacks; null when that is not known
 * @returns false when other nodes must take over none
 */
export async function keepLacking(
  lacking: ReadonlyMap<string, readonly Lack[]> | null,
  {
    coordinator,
    facts,
    clock,
    log,
  }: { coordinator: Coordinator; facts: { node: string; fleet: string }; clock: Clock; log: Logger },
): Promise<boolean> {
  if (lacking?.size === 0) return true;
  const names = [...(lacking?.keys() ?? [])];
  try {
    if (lacking === null) throw new Error('it is not known which of them have everything');
    for (let attempt = 1; ; attempt += 1) {
      const isLast = attempt === ATTEMPTS;
      const isKept = await tryKeep(lacking, { coordinator, facts }).catch(async (error: unknown) => {
        const isAway = error instanceof FathomError && error.code === 'cluster.unavailable';
        if (!isAway || isLast) throw error;
        await clock.sleep(RETRY_MS);
        return false;
      });
      if (isKept) break;
      if (isLast) throw new Error('their records change');
    }
    log.error(
      { databases: names.slice(0, SHOWN_NAMES) },
      `no other node takes over ${names.length} databases, because their replicas do not have the last changes or uploaded files; start this node again, or run 'fathomd nodes remove ${facts.node}'`,
    );
    return true;
  } catch (error) {
    log.error(
      { databases: names.slice(0, SHOWN_NAMES) },
      `no other node takes over the databases, because not all replicas have everything: ${messageOf(error)}`,
    );
    return false;
  }
}

/** @returns false when a record has changed meanwhile */
async function tryKeep(
  lacking: ReadonlyMap<string, readonly Lack[]>,
  {
    coordinator,
    facts: { node, fleet },
  }: { coordinator: Coordinator; facts: { node: string; fleet: string } },
): Promise<boolean> {
  const prefix = ownersOf(fleet);
  const wanted = (await readOwned(coordinator, prefix, node)).flatMap(({ entry, owner }) => {
    const lacks = lacking.get(entry.key.slice(prefix.length));
    const known = owner.lacks ?? [];
    if (lacks === undefined || lacks.every((lack) => known.includes(lack))) return [];
    const record: OwnerRecord = { ...owner, lacks: [...new Set([...known, ...lacks])] };
    return [{ entry, value: JSON.stringify(record) }];
  });
  for (const part of chunks(wanted)) {
    const isKept = await coordinator.commit({
      expect: part.map(({ entry: { key, revision } }) => ({ key, revision })),
      put: part.map(({ entry: { key }, value }) => ({ key, value })),
    });
    if (!isKept) return false;
  }
  return true;
}
