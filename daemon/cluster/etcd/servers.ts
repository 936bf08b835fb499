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
  /** `--auto-compaction-retention` of its command line; null without it, or when its command line cannot be read. */
  compaction: string | null;
  /** Of its file, in bytes; null when it does not say. */
  sizeBytes: number | null;
  /** Whether its file has reached its limit: it then refuses all writes. */
  isFull: boolean;
  /** How far its clock is ahead of this host's, in milliseconds; within a second. */
  clockAheadMs: number | null;
}

const statusSchema = z.object({
  version: z.string(),
  leader: z.string().default('0'),
  dbSize: z.coerce.number().nullable().default(null),
  errors: z.array(z.string()).default([]),
});
const variablesSchema = z.object({ cmdline: z.array(z.string()) });

/** Never rejects. */
export async function inspectServer(gateway: EtcdGateway, endpoint: string): Promise<EtcdServer> {
  const server = {
    endpoint,
    problem: null,
    version: null,
    preVote: null,
    compaction: null,
    sizeBytes: null,
    isFull: false,
    clockAheadMs: null,
  };
  try {
    const { text, date } = await gateway.callAt(endpoint, '/v3/maintenance/status', {});
    const { version, leader, dbSize, errors } = statusSchema.parse(JSON.parse(text));
    const words = await readCommandLine(gateway, endpoint);
    const second = date === null ? Number.NaN : Date.parse(date);
    return {
      ...server,
      problem: leader === '0' ? 'it has no leader: fewer than half of the servers are connected' : null,
      version,
      preVote: readPreVote(words),
      compaction: readCompaction(words),
      sizeBytes: dbSize,
      isFull: errors.some((error) => error.includes('NOSPACE')),
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

/** Environment and configuration file cannot be seen. Empty when it cannot be read. */
async function readCommandLine(gateway: EtcdGateway, endpoint: string): Promise<string[]> {
  try {
    const { text } = await gateway.callAt(endpoint, '/debug/vars', null);
    return variablesSchema.parse(JSON.parse(text)).cmdline;
  } catch {
    // A proxy in front of it, or another form in a later release.
    return [];
  }
}

/** Servers from 3.5 on have it by default. */
function readPreVote(words: readonly string[]): boolean | null {
  const flag = words.findLast((word) => /^--?pre-vote(?:=|$)/.test(word));
  return flag === undefined ? null : !/=(?:0|f|false)$/i.test(flag);
}

function readCompaction(words: readonly string[]): string | null {
  const at = words.findLastIndex((word) => /^--?auto-compaction-retention(?:=|$)/.test(word));
  return words[at]?.split('=')[1] ?? (at === -1 ? null : (words[at + 1] ?? null));
}
