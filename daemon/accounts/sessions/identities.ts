import { hash } from 'node:crypto';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { removeOldestOver } from '../../base/bounded.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { toIsoTime } from '../../pocketbase/data/sqlite.ts';
import { type Caller, PERMISSION_NAMES } from '../permissions.ts';
import type { ApiKeyRepository } from './api-key-repository.ts';
import { apiKeyHash, isApiKey, permissionsIn, rolesIn } from './api-keys.ts';
import type { SessionRepository } from './session-repository.ts';
import type { Sessions } from './sessions.ts';

/** Hooks report every change at once. This limits how long a lost report has an effect. */
const CACHE_MS = 30_000;
/** Beyond this number the oldest entries are dropped. */
const MAX_CACHED = 20_000;
/** The last use of a key is stored at most this often. */
const NOTE_USE_MS = 60_000;

export type Identity = Exclude<Caller, { kind: 'local' }>;

interface CachedIdentity {
  identity: Identity;
  expiresMs: number;
}

/**
 * Resolves tokens to users. The global PocketBase decides; its answer is cached, by a hash of the token, until it reports a
 * change of the user, its sessions or its keys. So most checks cost a hash and a lookup in a map.
 */
export class Identities {
  readonly #sessions: Sessions;
  readonly #sessionRepository: SessionRepository;
  readonly #apiKeyRepository: ApiKeyRepository;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #cache = new Map<string, CachedIdentity>();
  readonly #listeners = new Set<(userId: string) => void>();
  readonly #usesNoted = new Map<string, number>();
  /** Counts changes, so that an answer that was requested before a change is not cached. */
  #changes = 0;

  constructor(options: {
    sessions: Sessions;
    sessionRepository: SessionRepository;
    apiKeyRepository: ApiKeyRepository;
    clock: Clock;
    log: Logger;
  }) {
    this.#sessions = options.sessions;
    this.#sessionRepository = options.sessionRepository;
    this.#apiKeyRepository = options.apiKeyRepository;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** @throws FathomError `auth.required` for a token that is invalid or has ended */
  async identify(token: string): Promise<Identity> {
    const digest = hash('sha256', token, 'base64');
    const nowMs = this.#clock.now().getTime();
    const cached = this.#cache.get(digest);
    if (cached && cached.expiresMs > nowMs) {
      this.#noteUse(cached.identity, nowMs);
      return cached.identity;
    }
    const changesBefore = this.#changes;
    const identity = isApiKey(token) ? await this.#identifyKey(token) : await this.#identifySession(token);
    if (changesBefore === this.#changes) this.#store(digest, identity, nowMs);
    this.#noteUse(identity, nowMs);
    return identity;
  }

  /** Drops the cached identities of a user after a change, and calls the listeners. */
  invalidate(userId: string): void {
    this.#changes += 1;
    for (const [digest, { identity }] of this.#cache) {
      if (isOf(identity, userId)) this.#cache.delete(digest);
    }
    for (const listener of this.#listeners) listener(userId);
  }

  /** Calls the listener with the id of each user that changes. Returns a function that unsubscribes. */
  onChange(listener: (userId: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Whether the session or key still exists and has not expired, and its user is active with the same role. Does not use the
   * cache.
   */
  async isStillValid({ kind, id, userId, role }: Identity): Promise<boolean> {
    const found = await this.#sessionRepository.resolveIdentity(kind, { id });
    const { user } = found;
    if (found.id === null || this.#hasExpired(found.expires_at)) return false;
    return user?.id === userId && user.is_active && user.role === role;
  }

  #hasExpired(expiresAt: string | null): boolean {
    return Boolean(expiresAt) && new Date(toIsoTime(expiresAt ?? '')) <= this.#clock.now();
  }

  async #identifySession(token: string): Promise<Identity> {
    const claims = await this.#sessions.verify(token);
    const { id, user } = await this.#sessionRepository.resolveIdentity('session', {
      hash: claims.hash,
      user: claims.userId,
    });
    if (!user?.is_active) throw new FathomError('auth.required', 'this account is not active');
    if (id === null || user.id !== claims.userId) {
      throw new FathomError('auth.required', 'the session has ended; sign in again');
    }
    const { role } = user;
    const key =
      claims.limits.length === 0
        ? null
        : { permissions: new Set(PERMISSION_NAMES), roles: claims.limits, owners: [] };
    return { kind: 'session', id, userId: user.id, role, expiresAt: claims.expiresAt, key };
  }

  async #identifyKey(token: string): Promise<Identity> {
    const { id, user, expires_at, permissions, roles, owners } =
      await this.#sessionRepository.resolveIdentity('key', { hash: apiKeyHash(token) });
    if (id === null || !user) throw new FathomError('auth.required', 'this API key is not valid');
    if (!user.is_active) throw new FathomError('auth.required', 'this account is not active');
    if (this.#hasExpired(expires_at)) throw new FathomError('auth.required', 'this API key has expired');
    const key = {
      permissions: new Set(permissionsIn(permissions)),
      roles: rolesIn(roles),
      owners,
    };
    // Every key has a role. Without one, nothing would limit it to what its user could do when it was made.
    if (key.roles.length === 0)
      throw new FathomError('auth.required', 'this API key has no role; create a new one');
    const expiresAt = expires_at ? new Date(toIsoTime(expires_at)) : null;
    return { kind: 'key', id, userId: user.id, role: user.role, expiresAt, key };
  }

  #store(digest: string, identity: Identity, nowMs: number): void {
    this.#cache.delete(digest);
    const endMs = identity.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
    this.#cache.set(digest, { identity, expiresMs: Math.min(nowMs + CACHE_MS, endMs) });
    removeOldestOver(this.#cache, MAX_CACHED);
  }

  #noteUse({ kind, id }: Identity, nowMs: number): void {
    if (kind !== 'key' || nowMs < (this.#usesNoted.get(id) ?? 0) + NOTE_USE_MS) return;
    if (this.#usesNoted.size >= MAX_CACHED) this.#usesNoted.clear();
    this.#usesNoted.set(id, nowMs);
    this.#apiKeyRepository.noteUse(id, new Date(nowMs)).catch((error: unknown) => {
      this.#log.warn({ key: id }, `cannot store the last use of an API key: ${messageOf(error)}`);
    });
  }
}

/** Whether a change of this user can end the session or key: also that of a key with which the key was made. */
export function isOf({ userId, key }: Identity, changedUser: string): boolean {
  return userId === changedUser || key?.owners.includes(changedUser) === true;
}
