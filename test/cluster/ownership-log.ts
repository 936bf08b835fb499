import type { Entry } from '../../daemon/cluster/coordinator.ts';
import { OWNERS, parseOwner } from '../../daemon/cluster/records.ts';
import { etcdCoordinator } from '../helpers/etcd-coordinator.ts';

export interface Ownership {
  node: string | null;
  epoch: number;
  /** When its epoch was seen first. */
  since: number;
  /** Whether the replica of this owner is complete. */
  isProtected: boolean;
  isOffered: boolean;
}

/** What etcd says about the owners of databases, as this process sees it. */
export class OwnershipLog {
  readonly owners = new Map<string, Ownership>();
  /** One line for each change, with the time. */
  readonly lines: string[] = [];
  readonly #stopping = new AbortController();
  readonly #ended: Promise<void>;
  readonly #routes: Promise<void>;

  /** @param urls of etcd */
  constructor(urls: string) {
    const coordinator = etcdCoordinator({ endpoints: urls.split(',') }, 'default');
    this.#ended = coordinator.watch(
      OWNERS,
      (view, changed) => {
        for (const key of changed) this.#note(key, view.get(key));
      },
      this.#stopping.signal,
    );
    this.#routes = coordinator.watch(
      'routes/',
      (view, changed) => {
        for (const key of changed) this.#write(key, view.get(key));
      },
      this.#stopping.signal,
    );
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([this.#ended, this.#routes]);
  }

  get leader(): string | null {
    return this.owners.get('global')?.node ?? null;
  }

  /** The names of the databases of a node. */
  ownedBy(node: string): string[] {
    return [...this.owners].flatMap(([name, owner]) =>
      owner.node === node && name !== 'global' ? [name] : [],
    );
  }

  get isProtected(): boolean {
    return [...this.owners.values()].every((owner) => owner.isProtected && !owner.isOffered);
  }

  #note(key: string, entry: Entry | undefined): void {
    const name = key.slice(key.lastIndexOf('/') + 1);
    const before = this.owners.get(name);
    if (entry === undefined) {
      this.owners.delete(name);
      this.#write(key, entry);
      return;
    }
    const { node, epoch, source, handover } = parseOwner(entry);
    this.owners.set(name, {
      node,
      epoch,
      since: before?.epoch === epoch ? before.since : performance.now(),
      isProtected: source?.endsWith(`/e${epoch}`) === true,
      isOffered: handover !== undefined,
    });
    this.#write(key, entry);
  }

  #write(key: string, entry: Entry | undefined): void {
    this.lines.push(`${new Date().toISOString()} ${key}: ${entry?.value ?? 'gone'}`);
  }
}
