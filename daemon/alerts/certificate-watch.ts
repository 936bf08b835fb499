import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import type { Clock } from '../base/time/clock.ts';
import type { Problem } from './problem.ts';

const DAY_MS = 86_400_000;
const WARN_DAYS = 14;
const CHECK_EVERY_MS = 3_600_000;
const TIMEOUT_MS = 5_000;

/** Watches when the certificate of PUBLIC_URL ends. */
export class CertificateWatch {
  readonly #clock: Clock;
  #checkedAtMs = Number.NEGATIVE_INFINITY;
  #url: string | null = null;
  /** Null while it is not known. */
  #validTo: Date | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Connects once in an hour.
   *
   * @param url PUBLIC_URL
   * @returns null if the certificate cannot be read: this host may not reach its own public address
   */
  async findProblems(url: string | null): Promise<Problem[] | null> {
    if (url === null || !url.startsWith('https:')) return [];
    const nowMs = this.#clock.monotonic();
    if (url !== this.#url || nowMs - this.#checkedAtMs >= CHECK_EVERY_MS) {
      this.#validTo = await readValidTo(url);
      this.#url = url;
      this.#checkedAtMs = nowMs;
    }
    return this.#validTo && problemsOf(url, this.#validTo, this.#clock.now());
  }
}

function problemsOf(url: string, validTo: Date, now: Date): Problem[] {
  const days = Math.floor((validTo.getTime() - now.getTime()) / DAY_MS);
  if (days >= WARN_DAYS) return [];
  const hasEnded = validTo <= now;
  return [
    {
      key: 'certificate',
      class: 'certificate',
      severity: hasEnded ? 'critical' : 'warning',
      database: null,
      text: hasEnded
        ? `the certificate of ${url} has expired on ${validTo.toISOString()}`
        : `the certificate of ${url} expires in ${days === 1 ? '1 day' : `${days} days`}`,
      remedy: 'renew it at the reverse proxy, and check why it is not renewed by itself',
      extent: 1,
    },
  ];
}

async function readValidTo(url: string): Promise<Date | null> {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  // Only its end is read: clients verify the rest.
  const socket = connect({
    host,
    port: Number(port || 443),
    ...(isIP(host) === 0 ? { servername: host } : {}),
    rejectUnauthorized: false,
  });
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
  try {
    await untilSecure(socket);
    return new Date(socket.getPeerCertificate().valid_to);
  } catch {
    return null;
  } finally {
    socket.destroy();
  }
}

function untilSecure(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
  });
}
