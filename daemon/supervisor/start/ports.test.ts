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

/** An allocator for which all ports are free except `used`. */
function allocator(range: number, used: number[] = []): PortAllocator {
  return new PortAllocator({
    host: HOST,
    base: 9000,
    range,
    isFree: (_host, port) => Promise.resolve(!used.includes(port)),
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

  it('is in the range and evenly distributed', () => {
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
  it('gives concurrent owners different ports, and skips ports in use', async () => {
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

  it('rejects an address that this host does not have', async () => {
    // 192.0.2.0/24 is for documentation (RFC 5737).
    await expect(portIsFree('192.0.2.1', 9000)).rejects.toThrow('EADDRNOTAVAIL');
    const ports = new PortAllocator({ host: '192.0.2.1', base: 9000, range: 1000 });
    await expect(ports.claim('a', 9000)).rejects.toThrow('PB_BIND_ADDRESS');
    await expect(ports.claimFixed(8090)).rejects.toThrow('PB_BIND_ADDRESS');
  });

  it('takes the next port after the preferred one, and wraps around', async () => {
    const ports = allocator(3, [9001]);
    expect(await ports.claim('a', 9001)).toBe(9002);
    expect(await ports.claim('b', 9002)).toBe(9000);
  });

  it('gives an owner the same port again, and releases the port that it left', async () => {
    const ports = allocator(3);
    expect(await ports.claim('a', 9000)).toBe(9000);
    expect(await ports.claim('a', 9000)).toBe(9000);
    expect(await ports.claim('a', 9000, new Set([9000]))).toBe(9001);
    expect(await ports.claim('b', 9000)).toBe(9000);
  });

  it('uses the port of a stopped instance only when no other port is free', async () => {
    const ports = allocator(2);
    await ports.claim('stopped', 9000);
    ports.markInactive('stopped');
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

  it('gives active owners different ports after any order of commands', async () => {
    const owner = fc.constantFrom('a', 'b', 'c', 'd');
    const command = fc.record({
      kind: fc.constantFrom('claim', 'markInactive', 'release', 'reserve'),
      owner,
      port: fc.integer({ min: 9000, max: 9002 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (commands) => {
        const ports = allocator(3);
        const active = new Map<string, number>();
        await Promise.all(
          commands.map(async ({ kind, owner: name, port }) => {
            if (kind === 'claim') {
              const given = await ports.claim(name, port).catch(() => null);
              if (given !== null) active.set(name, given);
            } else if (kind === 'reserve') {
              if (!active.has(name)) ports.reserve(name, port, false);
            } else {
              active.delete(name);
              if (kind === 'markInactive') ports.markInactive(name);
              else ports.release(name);
            }
          }),
        );
        // Claimed again in sequence: each owner keeps its port.
        const again = new Map<string, number>();
        for (const [name, port] of active) again.set(name, await ports.claim(name, port).catch(() => -1));
        const given = [...again.values()].filter((port) => port !== -1);
        expect(new Set(given).size).toBe(given.length);
      }),
    );
  });

  it('rejects a fixed port in use with the name of the variable', async () => {
    const [port] = [await freePortRange(1)];
    const ports = new PortAllocator({ host: HOST, base: 9000, range: 1 });
    expect(await ports.claimFixed(port)).toBe(port);
    await occupy(port);
    await expect(ports.claimFixed(port)).rejects.toMatchObject({
      code: 'server.port_in_use',
      message: textWith(port, 'PB_GLOBAL_PORT'),
    });
  });

  it('refuses to reserve a port that another owner has claimed', () => {
    const ports = allocator(3);
    expect(ports.reserve('a', 9000, true)).toBe(true);
    expect(ports.reserve('b', 9000, true)).toBe(false);
    expect(ports.reserve('a', 9000, false)).toBe(true);
  });
});
