import { createSecretKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { AuditEntry, AuditVerification } from '../../shared/audit.ts';
import { messageOf } from '../../shared/errors.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import type { Logger } from '../base/log/log.ts';
import type { Clock } from '../base/time/clock.ts';
import type { EventBus } from '../events/bus.ts';
import { type AuditHead, EMPTY_CHAIN, link, whyNotLinked } from './audit-chain.ts';
import { type AuditRepository, entryOf } from './audit-repository.ts';

/** While the global PocketBase is away; past this the oldest are told in the log alone. */
const MAX_WAITING = 10_000;
const BATCH = 200;
const RETRY_MS = 1_000;
/** Longest that whoever did something waits until it is written down. */
const PATIENCE_MS = 2_000;

export type NewAuditEntry = Omit<AuditEntry, 'seq' | 'at'>;

export interface AuditTrailDeps {
  repository: AuditRepository;
  /** Keys the chain. Asked for until it is told. */
  key: () => Promise<Uint8Array>;
  /** Where the end of the chain is kept apart from it, so that rows missing at the end are noticed. */
  headFile: string;
  bus: EventBus;
  clock: Clock;
  log: Logger;
}

interface Waiting {
  entry: Omit<AuditEntry, 'seq'>;
  stored: () => void;
}

/** Writes the audit log, in order and in one place: what comes while a batch is written goes with the next one. */
export class AuditTrail {
  readonly #deps: AuditTrailDeps;
  readonly #stopping = new AbortController();
  #waiting: Waiting[] = [];
  /** In the table, but the end of the chain is not kept yet. */
  #written: Waiting[] = [];
  #head: AuditHead | null = null;
  /** Not as bytes: from those Node makes a key for every row, which takes six times as long as the hash. */
  #key: KeyObject | null = null;
  #writing: Promise<void> | null = null;

  constructor(deps: AuditTrailDeps) {
    this.#deps = deps;
  }

  /** Resolves when it is written down, or after a while when that is not possible now: it is tried again by itself. */
  async record(entry: NewAuditEntry): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const at = this.#deps.clock.now().toISOString();
    this.#waiting.push({ entry: { ...bounded(entry), at }, stored: resolve });
    const [oldest] = this.#waiting;
    if (this.#waiting.length > MAX_WAITING && oldest) {
      this.#waiting.shift();
      this.#deps.log.error(
        { audit: oldest.entry },
        'the audit log cannot be written; this entry is lost to it',
      );
    }
    this.#writing ??= this.#write().finally(() => {
      this.#writing = null;
    });
    const patience = new AbortController();
    await Promise.race([promise, this.#deps.clock.sleep(PATIENCE_MS, patience.signal)]);
    patience.abort();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#writing;
    for (const { entry } of this.#waiting) {
      this.#deps.log.error({ audit: entry }, 'the audit log could not be written before the end');
    }
  }

  /** Reads the whole log. */
  async verify(): Promise<AuditVerification> {
    const { repository } = this.#deps;
    const key = await this.#keyOfChain();
    // Read before the rows: what is written meanwhile only adds to them.
    const kept = await this.#keptHead();
    let head = EMPTY_CHAIN;
    const end = kept ?? EMPTY_CHAIN;
    for (;;) {
      const rows = await repository.after(head.seq, 500);
      for (const row of rows) {
        const problem = whyNotLinked(key, head, row);
        if (problem !== null) return { ok: false, checked: head.seq, problem };
        head = { seq: row.seq, hash: row.hash };
        if (row.seq === end.seq && row.hash !== end.hash) {
          return { ok: false, checked: head.seq, problem: `row ${row.seq} is not the one that was written` };
        }
      }
      if (rows.length < 500) break;
    }
    const problem =
      kept === null && head.seq > 0
        ? `${this.#deps.headFile} is gone or damaged, so nobody can tell whether the last rows are there`
        : head.seq < end.seq
          ? `the log ends at row ${head.seq}, but row ${end.seq} was written`
          : null;
    return { ok: problem === null, checked: head.seq, problem };
  }

  async #write(): Promise<void> {
    const { clock, log } = this.#deps;
    let failures = 0;
    let reported = '';
    while (this.#waiting.length + this.#written.length > 0) {
      try {
        await this.#keepHead(await this.#append(this.#waiting.slice(0, BATCH)));
        for (const { stored } of this.#written.splice(0)) stored();
        failures = 0;
        reported = '';
      } catch (error) {
        this.#head = null;
        failures += 1;
        const problem = messageOf(error);
        // Every second until it works: said once.
        if (problem !== reported)
          log.warn(`the audit log cannot be written now, it is tried again: ${problem}`);
        reported = problem;
        if (this.#stopping.signal.aborted && failures > 1) return;
        await clock.sleep(RETRY_MS, this.#stopping.signal);
      }
    }
  }

  /** The end of the chain, with the batch behind it. */
  async #append(batch: readonly Waiting[]): Promise<AuditHead> {
    const { repository, bus } = this.#deps;
    const key = await this.#keyOfChain();
    // Asked after each failure: the rows may have been written although no answer came.
    let head = (this.#head ??= await this.#endOfChain());
    if (batch.length === 0) return head;
    const rows = batch.map(({ entry }) => {
      const row = link(key, head, entry);
      head = { seq: row.seq, hash: row.hash };
      return row;
    });
    await repository.append(rows);
    this.#head = head;
    this.#waiting = this.#waiting.slice(batch.length);
    this.#written.push(...batch);
    for (const row of rows) bus.publish({ kind: 'audit.entry', entry: entryOf(row) });
    return head;
  }

  async #keyOfChain(): Promise<KeyObject> {
    this.#key ??= createSecretKey(await this.#deps.key());
    return this.#key;
  }

  /**
   * What the next row follows: the last one in the table, or one that is not there any more though it was written, which then
   * stays missed.
   */
  async #endOfChain(): Promise<AuditHead> {
    const [written, kept] = [await this.#deps.repository.head(), await this.#keptHead()];
    if (kept === null) {
      if (written.seq > 0) this.#missHead();
      else await this.#keepHead(EMPTY_CHAIN);
      return written;
    }
    return kept.seq >= written.seq ? kept : written;
  }

  #missHead(): void {
    const { headFile, log } = this.#deps;
    log.error(`${headFile} is gone or damaged: the last rows of the audit log may be missing, too`);
    void this.recordOwn({ action: 'audit.head-missing', target: '', outcome: 'failed', detail: '' });
  }

  /** What the daemon does or finds by itself; as `record`. */
  recordOwn(entry: Pick<NewAuditEntry, 'action' | 'target' | 'outcome' | 'detail'>): Promise<void> {
    return this.record({ actor_kind: 'local', actor: '', address: 'local', request_id: '', ...entry });
  }

  async #keepHead(head: AuditHead): Promise<void> {
    // For every row, and PocketBase does not wait for the disk either.
    await replaceFile(this.#deps.headFile, JSON.stringify(head), { mode: 0o600, synced: false });
  }

  /** Null when there is none, or only what a power cut left of it. */
  async #keptHead(): Promise<AuditHead | null> {
    try {
      return JSON.parse(await readFile(this.#deps.headFile, 'utf8')) as AuditHead;
    } catch (error) {
      if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  }
}

/** What a caller sent has to fit the columns. */
function bounded(entry: NewAuditEntry): NewAuditEntry {
  return {
    ...entry,
    actor: entry.actor.slice(0, 254),
    address: entry.address.slice(0, 64),
    target: entry.target.slice(0, 300),
    detail: entry.detail.slice(0, 2000),
  };
}
