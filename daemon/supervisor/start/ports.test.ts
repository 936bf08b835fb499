import { once } from 'node:events';
import { createServer } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePortRange } from '../../../test/helpers/free-ports.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import { PortAllocator, portIsFree, portOffset } from './ports.ts';

const HOST = '127.0.0.1';

async function occupy(port: number, host = HOST): Promise<void> {
  const server = createServer().listen(port, host);
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
}

/** Nothing is looked at, everything counts as free but `foreign`. */
function allocator(range: number, foreign: number[] = []): PortAllocator {
  return new PortAllocator({
    host: HOST,
    base: 9000,
    range,
    isFree: (_host, port) => Promise.resolve(!foreign.includes(port)),
  });
}

describe('the preferred port of a user', () => {
  it('is the same on every host and in every version', () => {
    expect(['', 'a', 'foobar'].map((id) => portOffset(id, 1000))).toEqual([
      0x811c9dc5 % 1000,
      0xe40c292c % 1000,
      0xbf9cf968 % 1000,
    ]);
  });

  it('lies in the range, and spreads over it', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 60_000 }), (id, range) => {
        expect(portOffset(id, range)).toBeGreaterThanOrEqual(0);
        expect(portOffset(id, range)).toBeLessThan(range);
      }),
    );
    const taken = new Set(Array.from({ length: 1000 }, (_, index) => portOffset(`user${index}`, 1000)));
    expect(taken.size).toBeGreaterThan(500);
  });
});

describe('claiming a port', () => {
  it('concurrently gives each owner another one, with real listeners stepped over', async () => {
    const base = await freePortRange(24);
    await occupy(base + 3);
    await occupy(base + 4, '0.0.0.0');
    const ports = new PortAllocator({ host: HOST, base, range: 24 });
    const given = await Promise.all(
      Array.from({ length: 22 }, (_, index) => ports.claim(`owner${index}`, base + 3)),
    );
    expect(new Set(given).size).toBe(22);
    expect(given).not.toContain(base + 3);
    expect(given).not.toContain(base + 4);
    expect(await portIsFree(HOST, base + 3)).toBe(false);
  });

  it('names an address that this host does not have, instead of calling its ports taken', async () => {
    // 192.0.2.0/24 is for documentation (RFC 5737).
    await expect(portIsFree('192.0.2.1', 9000)).rejects.toThrow('EADDRNOTAVAIL');
    const ports = new PortAllocator({ host: '192.0.2.1', base: 9000, range: 1000 });
    await expect(ports.claim('a', 9000)).rejects.toThrow('PB_BIND_ADDRESS');
    await expect(ports.claimFixed(8090)).rejects.toThrow('PB_BIND_ADDRESS');
  });

  it('takes the next one after the preferred, and wraps around', async () => {
    const ports = allocator(3, [9001]);
    expect(await ports.claim('a', 9001)).toBe(9002);
    expect(await ports.claim('b', 9002)).toBe(9000);
  });

  it('gives the same owner the same port again, and forgets the one it left', async () => {
    const ports = allocator(3);
    expect(await ports.claim('a', 9000)).toBe(9000);
    expect(await ports.claim('a', 9000)).toBe(9000);
    expect(await ports.claim('a', 9000, new Set([9000]))).toBe(9001);
    expect(await ports.claim('b', 9000)).toBe(9000);
  });

  it('leaves the port of a stopped instance alone, unless there is no other', async () => {
    const ports = allocator(2);
    await ports.claim('stopped', 9000);
    ports.rest('stopped');
    expect(await ports.claim('b', 9000)).toBe(9001);
    expect(await ports.claim('c', 9001)).toBe(9000);
    await expect(ports.claim('stopped', 9000)).rejects.toMatchObject({ code: 'ports.exhausted' });
  });

  it('counts the ports of the fleet and of other processes when none is free', async () => {
    const ports = allocator(3, [9001]);
    await ports.claim('a', 9000);
    await ports.claim('b', 9000);
    await expect(ports.claim('c', 9000)).rejects.toMatchObject({
      code: 'ports.exhausted',
      message: textWith(9000, 9002, 2, 1, 'PB_PORT_RANGE'),
    });
    ports.release('a');
    expect(await ports.claim('c', 9002)).toBe(9000);
  });

  it('any order of commands leaves active owners on ports of their own', async () => {
    const owner = fc.constantFrom('a', 'b', 'c', 'd');
    const command = fc.record({
      kind: fc.constantFrom('claim', 'rest', 'release', 'reserve'),
      owner,
      port: fc.integer({ min: 9000, max: 9002 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (commands) => {
        const ports = allocator(3);
        const active = new Map<string, number>();
        await Promise.all(
          commands.map(async ({ kind, owner: who, port }) => {
            if (kind === 'claim') {
              const given = await ports.claim(who, port).catch(() => null);
              if (given !== null) active.set(who, given);
            } else if (kind === 'reserve') {
              if (!active.has(who)) ports.reserve(who, port, false);
            } else {
              active.delete(who);
              if (kind === 'rest') ports.rest(who);
              else ports.release(who);
            }
          }),
        );
        // Asked once more, one after the other: whoever holds a port keeps it.
        const again = new Map<string, number>();
        for (const [who, port] of active) again.set(who, await ports.claim(who, port).catch(() => -1));
        const given = [...again.values()].filter((port) => port !== -1);
        expect(new Set(given).size).toBe(given.length);
      }),
    );
  });

  it('a fixed port is free or an error that names the variable', async () => {
    const [port] = [await freePortRange(1)];
    const ports = new PortAllocator({ host: HOST, base: 9000, range: 1 });
    expect(await ports.claimFixed(port)).toBe(port);
    await occupy(port);
    await expect(ports.claimFixed(port)).rejects.toMatchObject({
      code: 'server.port_in_use',
      message: textWith(port, 'PB_GLOBAL_PORT'),
    });
  });

  it('another owner cannot reserve what is claimed', () => {
    const ports = allocator(3);
    expect(ports.reserve('a', 9000, true)).toBe(true);
    expect(ports.reserve('b', 9000, true)).toBe(false);
    expect(ports.reserve('a', 9000, false)).toBe(true);
  });
});
