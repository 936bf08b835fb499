import type { InactiveStatus } from '../../../shared/api/inactive-status.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { AccountMails } from '../../accounts/mail/account-mails.ts';
import type { UserRepository } from '../../accounts/user-repository.ts';
import type { AuditTrail } from '../../audit/audit-trail.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import type { LiveSettings } from '../../config/live-settings.ts';
import type { Catalog, CatalogEntry } from '../../databases/catalog.ts';
import type { Inactivity } from '../../usage/inactivity-table.ts';
import type { UsageHistory } from '../../usage/usage-history.ts';
import type { Backups } from '../service/backups.ts';
import type { DatabaseArchives } from './database-archives.ts';
import { inactivityMail } from './inactivity-mail.ts';
import { afterJump, DAY_MS, type InactivityStep, nextStep } from './inactivity-rule.ts';

export const LOOK_EVERY_MS = 3_600_000;
/** Instances start first. */
const FIRST_LOOK_MS = 600_000;
/** Between looks while there is more to do than one look does. */
const NEXT_LOOK_MS = 60_000;
/** In one look. */
const MAX_NOTICES = 20;
const MAX_ARCHIVES = 5;
/** Mails in a row that were not sent, after which a look sends no more. */
const MAX_FAILURES = 3;
/** Databases whose files are read in one turn of the event loop. */
const JOB_CHECKS = 20;
/** A use shortly before, or a process that has just started. */
const RECENT_MS = 300_000;
/** A clock that moves by more between two looks than time has passed was set, or the host was suspended. */
const MAX_DRIFT_MS = 600_000;
/** The name of the service in mails that the dashboard's mail server sends. */
const DEFAULT_SERVICE = 'Fathom';

export interface InactiveDatabasesDeps {
  catalog: Catalog;
  history: Pick<UsageHistory, 'readInactivity' | 'writeInactivity'>;
  archives: Pick<DatabaseArchives, 'archive'>;
  backups: Pick<Backups, 'stateOf'>;
  isRestoring: (name: string) => boolean;
  /** Whether the host can hold the sockets of databases without a process. */
  holdsSockets: () => Promise<boolean>;
  users: Pick<UserRepository, 'find'>;
  mails: Pick<AccountMails, 'isConfigured' | 'sendMessage'>;
  settings: Pick<LiveSettings, 'inactiveDays' | 'mail' | 'siteUrl' | 'webPage'>;
  audit: Pick<AuditTrail, 'recordDaemonAction'>;
  clock: Clock;
  log: Logger;
}

/** A database that is not used, and its next step. */
interface Candidate {
  entry: CatalogEntry;
  lastUsedAtMs: number | null;
  stored: Inactivity;
  step: InactivityStep;
}

interface Postponed {
  /** Why it got no further; null when that is no problem. */
  problem: string | null;
  /** Monotonic. */
  untilMs: number;
}

/**
 * Archives databases that are not used for DATABASE_INACTIVE_DAYS, after two mails to their owners. What it has done is stored
 * with the last uses, so a new daemon continues. A mail is sent before that is stored: a daemon that is killed in between sends it again.
 */
export class InactiveDatabases {
  readonly #deps: InactiveDatabasesDeps;
  /** Databases whose owners got a notice. */
  #noticed = new Map<string, { atMs: number; archiveAtMs: number }>();
  readonly #postponed = new Map<string, Postponed>();
  /** Why no database gets any further, and how many wait. */
  #obstacle: { message: string; remedy: string; databases: number } | null = null;
  /** Of the clock, ahead of monotonic time, at the last look. */
  #aheadMs: number;
  #loop: Loop | null = null;

  constructor(deps: InactiveDatabasesDeps) {
    this.#deps = deps;
    this.#aheadMs = this.#readAhead();
  }

  start(lookEveryMs: number): void {
    let isFirst = true;
    this.#loop ??= startLoop(this.#deps.clock, async (stopping) => {
      const isMore = !isFirst && (await this.#look(stopping));
      const waitMs = isFirst ? FIRST_LOOK_MS : isMore ? NEXT_LOOK_MS : lookEveryMs;
      isFirst = false;
      return Math.min(waitMs, lookEveryMs);
    });
  }

  /** Looks now, after settings have changed. */
  wake(): void {
    this.#loop?.wake();
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  /**
   * When a database is archived, if its owner got a notice; null for others.
   *
   * @param lastUsedAtMs null when no use is known
   */
  archiveAt(name: string, lastUsedAtMs: number | null): Date | null {
    const noticed = this.#noticed.get(name);
    if (noticed === undefined || (lastUsedAtMs ?? 0) > noticed.atMs) return null;
    return new Date(noticed.archiveAtMs);
  }

  status(): InactiveStatus {
    const { settings, catalog } = this.#deps;
    const problems = [...this.#postponed.values()].flatMap(({ problem }) => problem ?? []);
    const [first] = problems;
    const failure =
      first === undefined
        ? null
        : { message: first, remedy: 'correct the cause; Fathom tries again in a day' };
    const problem = this.#obstacle ?? failure;
    return {
      days: settings.inactiveDays,
      noticed: this.#noticed.size,
      archived: catalog.archived.all().length,
      blocked: this.#obstacle?.databases ?? problems.length,
      problem: problem && { message: problem.message, remedy: problem.remedy },
    };
  }

  /** Returns whether there is more to do. */
  async #look(stopping: AbortSignal): Promise<boolean> {
    try {
      const candidates = await this.#review();
      const isBlocked = await this.#findObstacle(candidates);
      const isMoreToSend = !isBlocked('notice') && (await this.#notify(candidates, stopping));
      const isMoreToArchive = !isBlocked('archive') && (await this.#archiveSome(candidates, stopping));
      return isMoreToSend || isMoreToArchive;
    } catch (error) {
      this.#deps.log.warn(
        { err: error },
        `cannot look for databases that are not used, it is tried again: ${messageOf(error)}`,
      );
      return false;
    }
  }

  /** The databases for which something is to be done, those that are due first at the begin. */
  async #review(): Promise<Candidate[]> {
    const { catalog, history, settings, clock } = this.#deps;
    const nowMs = clock.now().getTime();
    const read = await history.readInactivity();
    if (read === null) throw new FathomError('internal', 'the history of usage cannot be read');
    const aheadMs = this.#readAhead();
    const jumpMs = aheadMs - this.#aheadMs;
    const isJump = Math.abs(jumpMs) > MAX_DRIFT_MS;
    const changes = new Map<string, Inactivity | null>();
    if (settings.inactiveDays === 0) for (const name of read.stored.keys()) changes.set(name, null);
    const counted: Candidate[] = [];
    for (const entry of settings.inactiveDays === 0 ? [] : catalog.entries()) {
      const { name } = entry.row;
      const before = read.stored.get(name) ?? null;
      const lastUsedAtMs = lastUseOf(entry, read.lastUses.get(name) ?? null);
      const corrected = before && isJump ? afterJump(before, { jumpMs, nowMs, lastUsedAtMs }) : before;
      const stored = this.#countedNow(entry, corrected, { lastUsedAtMs, nowMs });
      if (stored !== before) changes.set(name, stored);
      if (stored === null || stored.isArchived) continue;
      const step = nextStep({ nowMs, days: settings.inactiveDays, lastUsedAtMs, stored });
      counted.push({ entry, lastUsedAtMs, stored, step });
    }
    // Otherwise, notices that are sent now could not be stored.
    if (!history.writeInactivity(changes))
      throw new FathomError('internal', 'the history of usage cannot be written');
    this.#aheadMs = aheadMs;
    if (isJump)
      this.#deps.log.warn(
        { jump_ms: Math.round(jumpMs) },
        'the clock has jumped; days without use do not count the jump',
      );
    this.#noticed = new Map(
      counted.flatMap(({ entry: { row }, step: { noticedAtMs, archiveAtMs } }) =>
        noticedAtMs === null ? [] : [[row.name, { atMs: noticedAtMs, archiveAtMs }]],
      ),
    );
    const open = await withoutJobs(counted.filter(({ step }) => step.kind !== 'none'));
    const names = new Set(open.map(({ entry }) => entry.row.name));
    for (const name of this.#postponed.keys()) if (!names.has(name)) this.#postponed.delete(name);
    return open.toSorted((a, b) => a.step.archiveAtMs - b.step.archiveAtMs);
  }

  #readAhead(): number {
    const { clock } = this.#deps;
    return clock.now().getTime() - clock.monotonic();
  }

  /** What is stored of a database from now on; null for one that does not count. */
  #countedNow(
    { row, runner: { spec } }: CatalogEntry,
    before: Inactivity | null,
    { lastUsedAtMs, nowMs }: { lastUsedAtMs: number | null; nowMs: number },
  ): Inactivity | null {
    const begun = { weekNoticeAtMs: null, dayNoticeAtMs: null, isArchived: false };
    if (this.#deps.catalog.archived.find(row.name) !== null)
      return before?.isArchived ? before : { ...begun, countedFromMs: nowMs, isArchived: true };
    // A use needs a database that runs, and its administrator keeps this one running, or stopped.
    if (row.state !== 'ready' || row.desired !== 'running' || spec.staysAwake()) return null;
    // It came back, not always because of a use.
    if (before?.isArchived) return { ...begun, countedFromMs: nowMs };
    return before ?? { ...begun, countedFromMs: Math.min(lastUsedAtMs ?? nowMs, nowMs) };
  }

  /** Finds why databases get no further. Returns whether it prevents a kind of step. */
  async #findObstacle(open: readonly Candidate[]): Promise<(kind: InactivityStep['kind']) => boolean> {
    this.#obstacle = null;
    if (open.length === 0) return () => false;
    const { mails, holdsSockets } = this.#deps;
    if (!(await holdsSockets())) {
      this.#obstacle = {
        message: 'this host does not hold sockets, so a request could not bring archived databases back',
        remedy: "see 'sockets' in 'fathomd doctor', or set DATABASE_INACTIVE_DAYS=0",
        databases: open.length,
      };
      return () => true;
    }
    const toNotify = open.filter(({ step }) => step.kind === 'notice').length;
    if (toNotify === 0 || (await mails.isConfigured())) return () => false;
    this.#obstacle = {
      message: 'no mail server is configured, so their owners cannot get a notice',
      remedy:
        "set SMTP_HOST, MAIL_FROM and PUBLIC_URL, archive them with 'fathomd databases archive NAME', or set DATABASE_INACTIVE_DAYS=0",
      databases: toNotify,
    };
    return (kind) => kind === 'notice';
  }

  /** Sends mails. Returns whether there are more to send. */
  async #notify(open: readonly Candidate[], stopping: AbortSignal): Promise<boolean> {
    let sent = 0;
    let failed = 0;
    for (const candidate of open) {
      if (candidate.step.notice === null || this.#isPostponed(candidate)) continue;
      if (stopping.aborted || failed === MAX_FAILURES) return false;
      if (sent === MAX_NOTICES) return true;
      const { name } = candidate.entry.row;
      try {
        const isSent = await this.#sendNotice(candidate);
        sent += Number(isSent);
        failed = 0;
        if (isSent) this.#postponed.delete(name);
        else this.#postpone(name, null);
      } catch (error) {
        failed += 1;
        this.#postpone(name, `the mail to the owner of ${name} was not sent: ${messageOf(error)}`);
      }
    }
    return false;
  }

  /** Returns whether a mail was sent. */
  async #sendNotice({ entry, lastUsedAtMs, stored, step }: Candidate): Promise<boolean> {
    const { users, mails, settings, history, audit, clock, log } = this.#deps;
    const { name, user } = entry.row;
    const account = await users.find(user);
    // An account that is blocked cannot use its database.
    if (!account?.is_active) return false;
    const archiveAt = new Date(step.archiveAtMs);
    await mails.sendMessage(
      inactivityMail({
        email: account.email,
        database: name,
        service: settings.mail?.from.name ?? DEFAULT_SERVICE,
        days: settings.inactiveDays,
        lastUsedAt: lastUsedAtMs === null ? null : new Date(lastUsedAtMs),
        archiveAt,
        siteUrl: settings.webPage ? settings.siteUrl : null,
      }),
    );
    const nowMs = clock.now().getTime();
    const noticed =
      step.notice === 'week' ? { ...stored, weekNoticeAtMs: nowMs } : { ...stored, dayNoticeAtMs: nowMs };
    if (!history.writeInactivity([[name, noticed]]))
      throw new FathomError('internal', 'it was sent, and that cannot be stored');
    this.#noticed.set(name, { atMs: nowMs, archiveAtMs: step.archiveAtMs });
    log.info(
      { instance: name, user, archive_at: archiveAt },
      'sent a notice to the owner: the database is archived soon',
    );
    const detail = JSON.stringify({ notice: step.notice, archive_at: archiveAt.toISOString() });
    await audit.recordDaemonAction({
      action: 'database.archive-notice',
      target: name,
      outcome: 'ok',
      detail,
    });
    return true;
  }

  /** Archives databases, one after the other. Returns whether there are more. */
  async #archiveSome(open: readonly Candidate[], stopping: AbortSignal): Promise<boolean> {
    const aborted = new Promise<null>((resolve) => {
      stopping.addEventListener('abort', () => resolve(null), { once: true });
    });
    let archived = 0;
    for (const candidate of open) {
      if (candidate.step.kind !== 'archive' || this.#isPostponed(candidate)) continue;
      if (stopping.aborted) return false;
      if (archived === MAX_ARCHIVES) return true;
      const { name } = candidate.entry.row;
      if (this.#isHeld(candidate.entry) || !(await this.#isStillDue(candidate))) continue;
      try {
        // The stop of the daemon does not wait: the next one finishes or undoes it.
        const result = await Promise.race([this.#deps.archives.archive(name), aborted]);
        if (result === null) return false;
        archived += 1;
        this.#postponed.delete(name);
        this.#noticed.delete(name);
        const detail = JSON.stringify({ cause: 'inactive', backup: result.backup });
        await this.#deps.audit.recordDaemonAction({
          action: 'database.archive',
          target: name,
          outcome: 'ok',
          detail,
        });
      } catch (error) {
        // The target is the same for all, and tried again by the next look.
        const isOfTarget = this.#isTargetAway(name);
        this.#postpone(name, messageOf(error), isOfTarget ? 0 : DAY_MS);
        if (isOfTarget) return false;
      }
    }
    return false;
  }

  /** Whether other work has the database now, or its target has failed just before. */
  #isHeld({ row: { name }, runner, rollout }: CatalogEntry): boolean {
    const isChanged = rollout !== null || runner.maintenance !== null || this.#deps.isRestoring(name);
    const isAtRest = runner.state.phase === 'asleep' || (runner.idleMs() ?? 0) > RECENT_MS;
    return this.#isTargetAway(name) || isChanged || !isAtRest;
  }

  #isTargetAway(name: string): boolean {
    const { backups, clock } = this.#deps;
    const { failure } = backups.stateOf(name);
    const isOfTarget = failure?.reason.startsWith('target_') ?? false;
    return isOfTarget && Date.parse(failure?.retry_at ?? '') > clock.now().getTime();
  }

  /** The look may have begun long ago. */
  async #isStillDue({ entry }: Candidate): Promise<boolean> {
    const { catalog, history, settings, clock } = this.#deps;
    const { name } = entry.row;
    const read = await history.readInactivity();
    const stored = read?.stored.get(name);
    if (!stored || settings.inactiveDays === 0 || catalog.find(name) !== entry) return false;
    const step = nextStep({
      nowMs: clock.now().getTime(),
      days: settings.inactiveDays,
      lastUsedAtMs: lastUseOf(entry, read?.lastUses.get(name) ?? null),
      stored,
    });
    return step.kind === 'archive';
  }

  #isPostponed({ entry }: Candidate): boolean {
    const postponed = this.#postponed.get(entry.row.name);
    return postponed !== undefined && postponed.untilMs > this.#deps.clock.monotonic();
  }

  #postpone(name: string, problem: string | null, waitMs = DAY_MS): void {
    const { clock, log } = this.#deps;
    this.#postponed.set(name, { problem, untilMs: clock.monotonic() + waitMs });
    if (problem !== null) log.error({ instance: name }, `it is not used, and not archived: ${problem}`);
  }
}

/** Without those that stay awake for jobs at fixed times. */
async function withoutJobs(candidates: readonly Candidate[]): Promise<Candidate[]> {
  const without: Candidate[] = [];
  for (const [index, candidate] of candidates.entries()) {
    if (!candidate.entry.runner.spec.hasOwnJobs()) without.push(candidate);
    // Each reads files.
    if (index % JOB_CHECKS === JOB_CHECKS - 1) await new Promise((resolve) => setImmediate(resolve));
  }
  return without;
}

/** The last known use, in milliseconds since 1970. That of the process may not be stored yet. */
function lastUseOf({ runner }: CatalogEntry, storedMs: number | null): number | null {
  const usedMs = runner.use?.lastUsedAt ?? null;
  return usedMs === null ? storedMs : Math.max(usedMs, storedMs ?? 0);
}
