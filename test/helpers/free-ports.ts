import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Each of the test files that run at a time has ports of its own. All lie below the ephemeral range of Linux (32768 and
 * up), so that no outgoing connection takes one in between; from 21000 to 21999 are those of tests that name them.
 */
const [LOWEST, HIGHEST] =
  Number(process.env['VITEST_POOL_ID'] ?? 1) % 2 === 1 ? [12_000, 21_000] : [22_000, 32_000];

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** The first of `count` ports in a row that nothing listens on now. */
export async function freePortRange(count: number): Promise<number> {
  for (;;) {
    const base = randomInt(LOWEST, HIGHEST - count);
    const ports = Array.from({ length: count }, (_, index) => base + index);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return base;
  }
}
