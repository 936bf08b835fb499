import type { IncomingHttpHeaders } from 'node:http';
import { EDGE_TOKEN_HEADER } from '../../shared/api/edge.ts';
import { isPublicAddress } from '../base/network-targets.ts';
import { blockListOf } from '../config/limits.ts';
import { isIn, normalizeAddress } from './client-address.ts';

/** What the requests since the start of the daemon say about reverse proxies in front of it. */
export interface ProxySightings {
  /** Requests that TRUSTED_PROXIES sent: for a client, or for themselves with EDGE_TOKEN. */
  trusted: number;
  /** The last other address of this host or network that sent X-Forwarded-For. */
  untrusted: string | null;
}

/** Notes which reverse proxies send requests, for the doctor. */
export class ProxiesSeen {
  readonly #trusted: ReturnType<typeof blockListOf>;
  #sightings: ProxySightings = { trusted: 0, untrusted: null };

  constructor(trustedProxies: readonly string[]) {
    this.#trusted = blockListOf(trustedProxies);
  }

  get sightings(): ProxySightings {
    return this.#sightings;
  }

  note(peer: string, headers: IncomingHttpHeaders): void {
    const isForwarded = headers['x-forwarded-for'] !== undefined;
    if (!isForwarded && headers[EDGE_TOKEN_HEADER] === undefined) return;
    const address = normalizeAddress(peer);
    const { trusted, untrusted } = this.#sightings;
    if (isIn(this.#trusted, address)) this.#sightings = { trusted: trusted + 1, untrusted };
    // Any client on the Internet can send the header.
    else if (isForwarded && !isPublicAddress(address)) this.#sightings = { trusted, untrusted: address };
  }
}
