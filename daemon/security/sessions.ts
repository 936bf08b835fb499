import { randomUUID } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { FathomError } from '../../shared/errors.ts';
import type { Clock } from '../base/clock.ts';
import { keyId } from './derived-keys.ts';

const ALGORITHM = 'HS256';
const ISSUER = 'fathom';
const AUDIENCE = 'fathom-api';
const TYPE = 'fathom-session+jwt';
const CLOCK_TOLERANCE_S = 5;

export interface SessionClaims {
  userId: string;
  role: string;
  sessionId: string;
  expiresAt: Date;
}

/** Session tokens of Fathom's API: signed by the daemon, read by the daemon. */
export class Sessions {
  readonly #secret: Uint8Array;
  readonly #keyId: string;
  readonly #lifetimeMs: number;
  readonly #clock: Clock;

  constructor(options: { secret: Uint8Array; expirationHours: number; clock: Clock }) {
    this.#secret = options.secret;
    this.#keyId = keyId(options.secret);
    this.#lifetimeMs = options.expirationHours * 3_600_000;
    this.#clock = options.clock;
  }

  async issue(user: { id: string; role: string }): Promise<{ token: string; expiresAt: Date }> {
    const now = this.#clock.now();
    const expiresAt = new Date(now.getTime() + this.#lifetimeMs);
    const token = await new SignJWT({ role: user.role, tenant_id: user.id })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: this.#keyId })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setSubject(user.id)
      .setJti(randomUUID())
      .setIssuedAt(now)
      .setExpirationTime(expiresAt)
      .sign(this.#secret);
    return { token, expiresAt };
  }

  /** @throws FathomError `auth.required` for anything but a valid token of this deployment */
  async verify(token: string): Promise<SessionClaims> {
    try {
      const { payload } = await jwtVerify(token, this.#secret, {
        algorithms: [ALGORITHM],
        issuer: ISSUER,
        audience: AUDIENCE,
        typ: TYPE,
        requiredClaims: ['sub', 'tenant_id', 'role', 'jti', 'iat', 'exp'],
        clockTolerance: CLOCK_TOLERANCE_S,
        currentDate: this.#clock.now(),
      });
      return {
        userId: String(payload.sub),
        role: String(payload['role']),
        sessionId: String(payload.jti),
        expiresAt: new Date(Number(payload.exp) * 1000),
      };
    } catch (error) {
      const expired = error instanceof errors.JWTExpired;
      throw new FathomError(
        'auth.required',
        expired ? 'the session has expired; sign in again' : 'the token is not valid; sign in again',
        { cause: error },
      );
    }
  }
}
