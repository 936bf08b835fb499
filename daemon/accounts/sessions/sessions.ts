import { createHash, randomUUID } from 'node:crypto';
import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify, SignJWT } from 'jose';
import { FathomError } from '../../../shared/errors.ts';
import type { Clock } from '../../base/time/clock.ts';
import { keyId } from '../../keys/derived-keys.ts';
import { isRole, type Role } from '../permissions.ts';

const ALGORITHM = 'HS256';
const ISSUER = 'fathom';
const AUDIENCE = 'fathom-api';
const TYPE = 'fathom-session+jwt';
const CLOCK_TOLERANCE_S = 5;
/** Fathom's tokens have about 450 characters. */
const MAX_TOKEN_CHARACTERS = 2048;

export interface SessionClaims {
  userId: string;
  /** Hash of the token's id; the key of the session's record. */
  hash: string;
  expiresAt: Date;
  /** Roles that limit the session, beside that of its user. */
  limits: readonly Role[];
}

export interface IssuedSession {
  token: string;
  hash: string;
  expiresAt: Date;
}

/** Signs and verifies session tokens of Fathom's API. `Identities` knows whether a session has ended. */
export class Sessions {
  /** By key id: the current key and the previous one, so that sessions survive a change of the key. */
  readonly #keys: ReadonlyMap<string, Uint8Array>;
  readonly #signing: { id: string; key: Uint8Array };
  readonly #lifetimeMs: number;
  readonly #clock: Clock;

  constructor(options: {
    secret: Uint8Array;
    previousSecret: Uint8Array | null;
    expirationHours: number;
    clock: Clock;
  }) {
    const { secret, previousSecret } = options;
    this.#signing = { id: keyId(secret), key: secret };
    this.#keys = new Map([
      ...(previousSecret ? [[keyId(previousSecret), previousSecret] as const] : []),
      [this.#signing.id, secret],
    ]);
    this.#lifetimeMs = options.expirationHours * 3_600_000;
    this.#clock = options.clock;
  }

  /** @param limits roles that limit the session, beside that of the user */
  async issue(user: { id: string; role: string }, limits: readonly Role[] = []): Promise<IssuedSession> {
    const now = this.#clock.now();
    const expiresAt = new Date(now.getTime() + this.#lifetimeMs);
    const id = randomUUID();
    const token = await new SignJWT({
      role: user.role,
      tenant_id: user.id,
      ...(limits.length === 0 ? {} : { limits }),
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: this.#signing.id })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject(user.id)
      .setJti(id)
      .setIssuedAt(now)
      .setExpirationTime(expiresAt)
      .sign(this.#signing.key);
    return { token, hash: hashOf(id), expiresAt };
  }

  /** @throws FathomError `auth.required` unless this deployment signed the token and it has not expired */
  async verify(token: string): Promise<SessionClaims> {
    const options: JWTVerifyOptions = {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: TYPE,
      requiredClaims: ['sub', 'tenant_id', 'role', 'jti', 'iat', 'exp'],
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: this.#clock.now(),
    };
    try {
      if (token.length > MAX_TOKEN_CHARACTERS) throw new errors.JWTInvalid('too long');
      const { payload } = await jwtVerify(token, ({ kid }) => this.#keyOf(kid), options);
      return this.#claims(payload);
    } catch (error) {
      const expired = error instanceof errors.JWTExpired;
      throw new FathomError(
        'auth.required',
        expired ? 'the session has expired; sign in again' : 'the token is not valid; sign in again',
        { cause: error },
      );
    }
  }

  #keyOf(kid: unknown): Uint8Array {
    const key = typeof kid === 'string' ? this.#keys.get(kid) : undefined;
    if (!key) throw new errors.JWKSNoMatchingKey();
    return key;
  }

  #claims({ sub, jti, iat, exp, role, tenant_id: tenant, limits = [] }: JWTPayload): SessionClaims {
    const issuedAhead = Number(iat) - this.#clock.now().getTime() / 1000;
    if (
      typeof sub !== 'string' ||
      typeof jti !== 'string' ||
      tenant !== sub ||
      !isRole(role) ||
      !(Array.isArray(limits) && limits.every(isRole)) ||
      !(issuedAhead <= CLOCK_TOLERANCE_S)
    ) {
      throw new errors.JWTClaimValidationFailed('a claim is invalid', {});
    }
    return { userId: sub, hash: hashOf(jti), expiresAt: new Date(Number(exp) * 1000), limits };
  }
}

function hashOf(sessionId: string): string {
  return createHash('sha256').update(sessionId).digest('hex');
}
