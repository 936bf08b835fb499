import { hash } from 'node:crypto';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Caller, isPermission } from '../permissions.ts';
import { apiKeyHash, isApiKey } from './api-keys.ts';
import type { SessionRepository } from './session-repository.ts';
import type { Sessions } from './sessions.ts';

/** A hook tells of every change at once; this bounds what a call that was lost could do. */
const TRUST_MS = 30_000;
/** The oldest make room. */
const MAX_KNOWN = 20_000;
/** The last use of a key is written down this often at most. */
const NOTE_USE_MS = 60_000;

export type Identity = Exclude<Caller, { kind: 'local' }>;

interface Known {
  identity: Identity;
  askAgainMs: number;
}

/**
 * Who stands behind a token. The global PocketBase decides; its answer is kept, by a hash of the token, until it tells
 * of a change of that user, its sessions or its keys. So a check costs a hash and a look into a map.
 */
export class Identities {
  readonly #sessions: Sessions;
  readonly #repository: SessionRepository;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #known = new Map<string, Known>();
  readonly #listeners = new Set<(userId: string) => void>();
  readonly #usesNoted = new Map<string, number>();
  /** Counts changes, so that an answer which was on its way during one is not kept. */
  #changes = 0;

  constructor(options: { sessions: Sessions; repository: SessionRepository; clock: Clock; log: Logger }) {
    this.#sessions = options.sessions;
    this.#repository = options.repository;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** @throws FathomError `auth.required` for a token that is not, or no longer, good */
  async identify(token: string): Promise<Identity> {
    const digest = hash('sha256', token, 'base64');
    const nowMs = this.#clock.now().getTime();
    const known = this.#known.get(digest);
    if (known && known.askAgainMs > nowMs) {
      this.#noteUse(known.identity, nowMs);
      return known.identity;
    }
    const before = this.#changes;
    const identity = isApiKey(token) ? await this.#key(token) : await this.#session(token);
    if (before === this.#changes) this.#keep(digest, identity, nowMs);
    this.#noteUse(identity, nowMs);
    return identity;
  }

  /** Forgets what is known of a user: the next request asks anew. */
  changed(userId: string): void {
    this.#changes += 1;
    for (const [digest, { identity }] of this.#known) {
      if (identity.userId === userId) this.#known.delete(digest);
    }
    for (const listener of this.#listeners) listener(userId);
  }

  /** Forgets everything: changes may have been missed. */
  forgetAll(): void {
    this.#changes += 1;
    this.#known.clear();
  }

  /** Told of each user of whom something changed. Returns the way to unsubscribe. */
  onChange(listener: (userId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether what was identified earlier would still be, with the same role. */
  async stillGood({ kind, id, userId, role }: Identity): Promise<boolean> {
    const now = await this.#repository.resolve(kind, { id });
    return now.user?.id === userId && now.user.is_active && now.user.role === role;
  }

  async #session(token: string): Promise<Identity> {
    const claims = await this.#sessions.verify(token);
    const { id, user } = await this.#repository.resolve('session', {
      hash: claims.hash,
      user: claims.userId,
    });
    if (!user?.is_active) throw new FathomError('auth.required', 'this account is not active');
    if (id === null || user.id !== claims.userId) {
      throw new FathomError('auth.required', 'the session has ended; sign in again');
    }
    const { role } = user;
    return { kind: 'session', id, userId: user.id, role, expiresAt: claims.expiresAt, permissions: null };
  }

  async #key(token: string): Promise<Identity> {
    const { id, user, expires_at, permissions } = await this.#repository.resolve('key', {
      hash: apiKeyHash(token),
    });
    if (id === null || !user) throw new FathomError('auth.required', 'this API key is not valid');
    if (!user.is_active) throw new FathomError('auth.required', 'this account is not active');
    const expiresAt = expires_at ? new Date(expires_at.replace(' ', 'T')) : null;
    if (expiresAt && expiresAt <= this.#clock.now()) {
      throw new FathomError('auth.required', 'this API key has expired');
    }
    const allowed = new Set((Array.isArray(permissions) ? permissions : []).filter(isPermission));
    return { kind: 'key', id, userId: user.id, role: user.role, expiresAt, permissions: allowed };
  }

  #keep(digest: string, identity: Identity, nowMs: number): void {
    this.#known.delete(digest);
    const [oldest] = this.#known.keys();
    if (this.#known.size >= MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
    const endMs = identity.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
    this.#known.set(digest, { identity, askAgainMs: Math.min(nowMs + TRUST_MS, endMs) });
  }

  #noteUse({ kind, id }: Identity, nowMs: number): void {
    if (kind !== 'key' || nowMs < (this.#usesNoted.get(id) ?? 0) + NOTE_USE_MS) return;
    if (this.#usesNoted.size >= MAX_KNOWN) this.#usesNoted.clear();
    this.#usesNoted.set(id, nowMs);
    this.#repository.noteUse(id, new Date(nowMs)).catch((error: unknown) => {
      this.#log.warn({ key: id }, `the use of an API key could not be written down: ${messageOf(error)}`);
    });
  }
}
