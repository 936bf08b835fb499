import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** As many test files run at a time; see `maxWorkers` in vitest.config.ts. */
export const FILES_AT_A_TIME = 4;
/**
 * Each of them has ports of its own. All lie below the ephemeral range of Linux (32768 and up), so that no outgoing connection
 * takes one in between.
 */
const SEGMENTS = [
  [12_000, 16_500],
  [16_500, 22_000],
  [22_000, 27_000],
  [27_000, 32_000],
] as const satisfies { length: typeof FILES_AT_A_TIME };
const POOL_ID = Number(process.env['VITEST_POOL_ID'] ?? 1);
const [LOWEST, HIGHEST] = SEGMENTS[(POOL_ID - 1) % FILES_AT_A_TIME] ?? SEGMENTS[0];

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Ranges follow each other, as what one was given for may listen later, or not all the time. Other runs begin elsewhere. */
let next = randomInt(LOWEST, HIGHEST);

/** The first of `count` ports in a row that no process listens on, and that were not handed out lately. */
export async function freePortRange(count: number): Promise<number> {
  for (;;) {
    const base = next + count > HIGHEST ? LOWEST : next;
    next = base + count;
    const ports = Array.from({ length: count }, (_, index) => base + index);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return base;
  }
}
