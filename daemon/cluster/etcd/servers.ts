import { z } from 'zod';
import { messageOf } from '../../../shared/errors.ts';
import type { EtcdGateway } from './gateway.ts';

/** One server of etcd, as seen from this host. */
export interface EtcdServer {
  endpoint: string;
  /** Why it cannot be used; null when it can. */
  problem: string | null;
  version: string | null;
  /** Null when its command line cannot be read. */
  preVote: boolean | null;
  /** How far its clock is ahead of this host's, in milliseconds; within a second. */
  clockAheadMs: number | null;
}

const statusSchema = z.object({ version: z.string(), leader: z.string().default('0') });
const variablesSchema = z.object({ cmdline: z.array(z.string()) });

/** Never rejects. */
export async function inspectServer(gateway: EtcdGateway, endpoint: string): Promise<EtcdServer> {
  const server = { endpoint, problem: null, version: null, preVote: null, clockAheadMs: null };
  try {
    const { text, date } = await gateway.callAt(endpoint, '/v3/maintenance/status', {});
    const { version, leader } = statusSchema.parse(JSON.parse(text));
    const second = date === null ? Number.NaN : Date.parse(date);
    return {
      ...server,
      problem: leader === '0' ? 'it has no leader: fewer than half of the servers are connected' : null,
      version,
      preVote: await readPreVote(gateway, endpoint),
      clockAheadMs: Number.isNaN(second) ? null : clockAhead(second, Date.now()),
    };
  } catch (error) {
    return { ...server, problem: messageOf(error) };
  }
}

/** @param second of the other clock, whose fraction was cut */
export function clockAhead(second: number, now: number): number {
  if (now < second) return second - now;
  return Math.min(0, second + 1000 - now);
}

/** Servers from 3.5 on have it by default. Environment and configuration file of an earlier one cannot be seen. */
async function readPreVote(gateway: EtcdGateway, endpoint: string): Promise<boolean | null> {
  try {
    const { text } = await gateway.callAt(endpoint, '/debug/vars', null);
    const { cmdline } = variablesSchema.parse(JSON.parse(text));
    const flag = cmdline.findLast((word) => /^--?pre-vote(?:=|$)/.test(word));
    return flag === undefined ? null : !/=(?:0|f|false)$/i.test(flag);
  } catch {
    // A proxy in front of it, or another form in a later release.
    return null;
  }
}
