import { createSecretKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AuditEntry, AuditVerification } from '../../shared/api/audit.ts';
import { messageOf } from '../../shared/errors.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { EventBus } from '../events/bus.ts';
import type { AuditArchive } from './archive/audit-archive.ts';
import { type AuditHead, EMPTY_CHAIN, linkEntry } from './audit-chain.ts';
import { type AuditRepository, toEntry } from './audit-repository.ts';
import { FailedEntries } from './failed-entries.ts';
import { verifyAudit } from './verify-audit.ts';
import { WaitingEntries } from './waiting-entries.ts';

/** Entries that wait for the global PocketBase; beyond this number some only go to the daemon's log. */
const MAX_WAITING = 10_000;
const BATCH = 200;
const RETRY_MS = 1_000;
/** How long a request waits until its entry is stored. */
const STORE_TIMEOUT_MS = 2_000;

export type NewAuditEntry = Omit<AuditEntry, 'seq' | 'at'>;

export interface AuditTrailDeps {
  repository: AuditRepository;
  archive: AuditArchive;
  /** Reads the key of the chain; called again after a failure. */
  key: () => Promise<Uint8Array>;
  /** A file with the last row of the chain. It reveals rows that are missing at the end of the table. */
  headFile: string;
  bus: EventBus;
  clock: Clock;
  log: Logger;
}

interface Waiting {
  entry: Omit<AuditEntry, 'seq'>;
  stored: () => void;
}

/** Writes the audit log in order: entries that arrive while a batch is written go into the next batch. */
export class AuditTrail {
  readonly #deps: AuditTrailDeps;
  readonly #stopping = new AbortController();
  readonly #waiting = new WaitingEntries<Waiting>(MAX_WAITING, ({ entry }) => sourceOf(entry));
  /** Entries that are in the table, but not in the head file yet. */
  #written: Waiting[] = [];
  readonly #failed = new FailedEntries();
  #head: AuditHead | null = null;
  /** Not raw bytes: Node would convert them for every row, which takes six times as long as the hash. */
  #key: KeyObject | null = null;
  #writing: Promise<void> | null = null;

  constructor(deps: AuditTrailDeps) {
    this.#deps = deps;
  }

  /** Resolves when the entry is stored, or after a timeout; then storing is retried in the background. */
  async record(attempted: NewAuditEntry): Promise<void> {
    const entry = this.#limitFailures(attempted);
    if (entry === null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const at = this.#deps.clock.now().toISOString();
    const dropped = this.#waiting.add({ entry: { ...truncate(entry), at }, stored: resolve });
    if (dropped) {
      this.#deps.log.error(
        { audit: dropped.entry },
        'the audit log cannot be written; this entry is only in this log',
      );
    }
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
    const timeout = new AbortController();
    await Promise.race([promise, this.#deps.clock.sleep(STORE_TIMEOUT_MS, timeout.signal)]);
    timeout.abort();
  }

  /** Null for an entry that is only counted. */
  #limitFailures(entry: NewAuditEntry): NewAuditEntry | null {
    if (entry.outcome === 'ok') return entry;
    const omitted = this.#failed.take(entry, this.#deps.clock.now());
    if (omitted === null || omitted === 0) return omitted === null ? null : entry;
    return { ...entry, detail: JSON.stringify({ ...JSON.parse(entry.detail), omitted_before: omitted }) };
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#writing;
    for (const { entry } of this.#waiting.first(MAX_WAITING)) {
      this.#deps.log.error(
        { audit: entry },
        'this entry could not be written to the audit log before the stop',
      );
    }
  }

  /** Checks the whole chain, archived rows included. */
  async verify(): Promise<AuditVerification> {
    const { archive, repository } = this.#deps;
    const readEnd = () => this.#readHeadFile();
    return verifyAudit({ archive, repository, key: await this.#readKey(), readEnd });
  }

  async #write(): Promise<void> {
    const { clock, log } = this.#deps;
    let failures = 0;
    let reported = '';
    while (this.#waiting.size + this.#written.length > 0) {
      try {
        await this.#writeHeadFile(await this.#append(this.#waiting.first(BATCH)));
        for (const { stored } of this.#written.splice(0)) stored();
        failures = 0;
        reported = '';
      } catch (error) {
        this.#head = null;
        failures += 1;
        const problem = messageOf(error);
        // The same problem is logged once, not with every retry.
        if (problem !== reported) log.warn(`cannot write the audit log, retrying: ${problem}`);
        reported = problem;
        if (this.#stopping.signal.aborted && failures > 1) return;
        await clock.sleep(RETRY_MS, this.#stopping.signal);
      }
    }
  }

  /** Appends a batch. Returns the new last row of the chain. */
  async #append(batch: readonly Waiting[]): Promise<AuditHead> {
    const { repository, bus } = this.#deps;
    const key = await this.#readKey();
    // Read again after each failure: the rows may have been written although no response arrived.
    let head = (this.#head ??= await this.#findHead());
    if (batch.length === 0) return head;
    const rows = batch.map(({ entry }) => {
      const row = linkEntry(key, head, entry);
      head = { seq: row.seq, hash: row.hash };
      return row;
    });
    await repository.append(rows);
    this.#head = head;
    this.#waiting.remove(batch);
    this.#written.push(...batch);
    for (const row of rows) bus.publish({ kind: 'audit.entry', entry: toEntry(row) });
    return head;
  }

  async #readKey(): Promise<KeyObject> {
    this.#key ??= createSecretKey(await this.#deps.key());
    return this.#key;
  }

  /**
   * Returns the row that the next one follows: the last one in the table, or a later one from the head file or the archive. In
   * the second case rows are missing from the table, and a verification shows the gap.
   */
  async #findHead(): Promise<AuditHead> {
    const { repository, archive, log } = this.#deps;
    const stored = await repository.readHead();
    // An archive that cannot be read must not keep new rows from being stored.
    const archived = await archive.lastHead().catch((error: unknown) => {
      log.error(`cannot read the archive of the audit log: ${messageOf(error)}`);
      return EMPTY_CHAIN;
    });
    // The table may come from an older backup.
    const inTable = archived.seq > stored.seq ? archived : stored;
    const inFile = await this.#readHeadFile();
    if (inFile === null) {
      if (inTable.seq > 0) this.#reportMissingHead();
      else await this.#writeHeadFile(EMPTY_CHAIN);
      return inTable;
    }
    return inFile.seq >= inTable.seq ? inFile : inTable;
  }

  #reportMissingHead(): void {
    const { headFile, log } = this.#deps;
    log.error(`${headFile} is missing or damaged: the last rows of the audit log may be missing`);
    void this.recordDaemonAction({ action: 'audit.head-missing', target: '', outcome: 'failed', detail: '' });
  }

  /** Records an action of the daemon itself, as `record`. */
  recordDaemonAction(entry: Pick<NewAuditEntry, 'action' | 'target' | 'outcome' | 'detail'>): Promise<void> {
    return this.record({ actor_kind: 'local', actor: '', address: 'local', request_id: '', ...entry });
  }

  async #writeHeadFile(head: AuditHead): Promise<void> {
    // Written for every batch, so not synced to the disk. PocketBase does not sync its rows either.
    await replaceFile(this.#deps.headFile, JSON.stringify(head), { mode: 0o600, synced: false });
  }

  /** Returns null when the file is missing, or damaged by a power failure. */
  async #readHeadFile(): Promise<AuditHead | null> {
    try {
      return JSON.parse(await readFile(this.#deps.headFile, 'utf8')) as AuditHead;
    } catch (error) {
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }
}

/** Who fills the log: an account, or an address without one. */
function sourceOf({
  actor_kind,
  actor,
  address,
}: Pick<AuditEntry, 'actor_kind' | 'actor' | 'address'>): string {
  return actor_kind === 'anonymous' ? `address ${address}` : `account ${actor}`;
}

/** Shortens values to the lengths of their columns. */
function truncate(entry: NewAuditEntry): NewAuditEntry {
  return {
    ...entry,
    actor: entry.actor.slice(0, 254),
    address: entry.address.slice(0, 64),
    target: entry.target.slice(0, 300),
    detail: entry.detail.slice(0, 2000),
  };
}
