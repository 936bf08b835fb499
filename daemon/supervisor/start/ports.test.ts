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
    sockets: { hold: (_host, port) => Promise.resolve(!used.includes(port)), release: () => {} },
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
    await expect(portIsFree('fe80::1', 9000)).rejects.toThrow('PB_BIND_ADDRESS');
    const ports = new PortAllocator({ host: '192.0.2.1', base: 9000, range: 1000 });
    await expect(ports.claim('a', 9000)).rejects.toThrow('PB_BIND_ADDRESS');
    await expect(ports.claimFixed('global', 8090)).rejects.toThrow('PB_BIND_ADDRESS');
  });

  it('leaves the socket of a port open that another process uses', async () => {
    const released: number[] = [];
    const ports = new PortAllocator({
      host: HOST,
      base: 9000,
      range: 3,
      sockets: {
        hold: (_host, port) => Promise.resolve(port !== 9001),
        release: (port) => released.push(port),
      },
    });
    expect(await ports.claim('a', 9001)).toBe(9002);
    expect(released).toEqual([]);
    ports.cancel('a', 9002);
    expect(released).toEqual([9002]);
    expect(await ports.claim('b', 9001)).toBe(9002);
  });

  it('takes the next port after the preferred one, and wraps around', async () => {
    const ports = allocator(3, [9001]);
    expect(await ports.claim('a', 9001)).toBe(9002);
    expect(await ports.claim('b', 9002)).toBe(9000);
  });

  it('gives an owner the same port again, and another one when it cannot listen there', async () => {
    const ports = allocator(3);
    expect(await ports.claim('a', 9000)).toBe(9000);
    expect(await ports.claim('a', 9000)).toBe(9000);
    expect(await ports.claim('a', 9000, new Set([9000]))).toBe(9001);
    expect(await ports.claim('b', 9000)).toBe(9002);
    await expect(ports.claim('c', 9000)).rejects.toMatchObject({ code: 'ports.exhausted' });
  });

  it('never gives the port of an instance to another one, also when it is stopped', async () => {
    const ports = allocator(2);
    expect(ports.reserve('stopped', 9000)).toBe(true);
    expect(await ports.claim('b', 9000)).toBe(9001);
    await expect(ports.claim('c', 9000)).rejects.toMatchObject({ code: 'ports.exhausted' });
    expect(await ports.claim('stopped', 9000)).toBe(9000);
  });

  it('reuses freed ports last, the one that was freed first before the others', async () => {
    const ports = allocator(4);
    ports.noteFreed([9003]);
    for (const [owner, port] of [
      ['a', 9000],
      ['b', 9001],
    ] as const) {
      await ports.claim(owner, port);
      ports.release(owner);
    }
    const given = [];
    for (const owner of ['c', 'd', 'e', 'f']) given.push(await ports.claim(owner, 9000));
    expect(given).toEqual([9002, 9003, 9000, 9001]);
    // It is not freed while it has an owner, and the last one again afterwards.
    ports.release('d');
    ports.release('c');
    expect([await ports.claim('g', 9002), await ports.claim('h', 9002)]).toEqual([9003, 9002]);
  });

  it('keeps the former port of an instance until the new one is stored', async () => {
    const ports = allocator(3, [9000]);
    ports.reserve('a', 9000);
    expect(await ports.claim('a', 9000)).toBe(9001);
    expect(ports.reserve('b', 9000)).toBe(false);
    ports.keepOnly('a', 9001);
    expect(ports.reserve('b', 9000)).toBe(true);
    expect(ports.reserve('b', 9001)).toBe(false);
  });

  it('gives a reserved port to the owner that got the row', async () => {
    const ports = allocator(1);
    const port = await ports.claim('user/1', 9000);
    ports.transfer('user/1', 'name');
    ports.cancel('user/1', port);
    expect(ports.reserve('other', port)).toBe(false);
    ports.cancel('name', port);
    expect(ports.reserve('other', port)).toBe(true);
  });

  it('lets a running process keep its port, and reserves none outside of the range', async () => {
    const ports = allocator(3);
    ports.reserve('stopped', 9000);
    ports.adopt('runs', 9000);
    expect(ports.reserve('stopped', 9000)).toBe(false);
    ports.keepOnly('stopped', 9001);
    expect(ports.reserve('another', 9000)).toBe(false);
    expect(ports.reserve('moved', 8999)).toBe(false);
    ports.adopt('moved', 9003);
    expect([ports.isInRange(8999), ports.isInRange(9002), ports.isInRange(9003)]).toEqual([
      false,
      true,
      false,
    ]);
  });

  it('assigns 50,000 ports, one to each owner', async () => {
    const ports = allocator(50_000);
    const given = new Set<number>();
    for (let index = 0; index < 50_000; index += 1) {
      given.add(await ports.claim(`owner${index}`, ports.preferredFor(`owner${index}`)));
    }
    expect(given.size).toBe(50_000);
    await expect(ports.claim('another', 9000)).rejects.toMatchObject({ code: 'ports.exhausted' });
    ports.release('owner7');
    expect(given).toContain(await ports.claim('another', 9000));
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

  it('gives owners different ports after any order of commands', async () => {
    const owner = fc.constantFrom('a', 'b', 'c', 'd');
    const command = fc.record({
      kind: fc.constantFrom('claim', 'keepOnly', 'release', 'reserve'),
      owner,
      port: fc.integer({ min: 9000, max: 9002 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(command, { maxLength: 30 }), async (commands) => {
        const ports = allocator(3);
        const held = new Map<string, Set<number>>();
        const portsOf = (name: string) => held.get(name) ?? new Set();
        // Operations on one instance are serialized, those on different ones are not.
        const last = new Map<string, Promise<void>>();
        const run = async ({ kind, owner: name, port }: (typeof commands)[number]) => {
          await last.get(name);
          if (kind === 'claim') {
            const given = await ports.claim(name, port).catch(() => null);
            if (given !== null) held.set(name, portsOf(name).add(given));
          } else if (kind === 'reserve') {
            if (ports.reserve(name, port)) held.set(name, portsOf(name).add(port));
          } else if (kind === 'keepOnly') {
            ports.keepOnly(name, port);
            held.set(name, new Set([...portsOf(name)].filter((one) => one === port)));
            if (ports.reserve(name, port)) held.get(name)?.add(port);
          } else {
            ports.release(name);
            held.delete(name);
          }
        };
        for (const one of commands) last.set(one.owner, run(one));
        await Promise.all(last.values());
        const all = [...held.values()].flatMap((some) => [...some]);
        expect(new Set(all).size).toBe(all.length);
      }),
    );
  });

  it('rejects a fixed port in use with the name of the variable', async () => {
    const [port] = [await freePortRange(1)];
    const ports = new PortAllocator({ host: HOST, base: 9000, range: 1 });
    expect(await ports.claimFixed('global', port)).toBe(port);
    await occupy(port);
    await expect(ports.claimFixed('global', port)).rejects.toMatchObject({
      code: 'server.port_in_use',
      message: textWith(port, 'PB_GLOBAL_PORT'),
    });
  });
});
