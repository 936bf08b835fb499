import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import type { FleetEvent } from '../../shared/events.ts';
import type { EventFrame, ServerFrame } from '../../shared/server-frames.ts';
import { Outbox } from './outbox.ts';

/** A socket whose client reads when the test calls `read`. */
class Socket {
  readonly OPEN = 1;
  readyState = 1;
  readonly frames: ServerFrame[] = [];
  closedWith: number | null = null;
  readonly #taken: (() => void)[] = [];
  #onClose = () => {};

  send(text: string, taken: () => void): void {
    this.frames.push(JSON.parse(text) as ServerFrame);
    this.#taken.push(taken);
  }

  once(_event: 'close', listener: () => void): void {
    this.#onClose = listener;
  }

  close(code: number): void {
    this.closedWith ??= code;
    this.readyState = 2;
  }

  disconnect(): void {
    this.readyState = 3;
    this.#onClose();
  }

  /** Reads all frames, also those that are sent meanwhile. */
  read(): void {
    for (let taken = this.#taken.shift(); taken; taken = this.#taken.shift()) taken();
  }

  sequences(topic: string): number[] {
    return this.frames.flatMap((frame) =>
      (frame.type === 'event' || frame.type === 'snapshot') && frame.topic === topic ? [frame.seq] : [],
    );
  }

  get events(): FleetEvent[] {
    return this.frames
      .filter((frame): frame is EventFrame => frame.type === 'event')
      .map(({ event }) => event);
  }
}

function outbox(): { socket: Socket; box: Outbox } {
  const socket = new Socket();
  return { socket, box: new Outbox(socket as unknown as WebSocket) };
}

const at = '2024-01-15T10:00:00.000Z';
const probe = (name: string, latency_ms = 1): FleetEvent => ({
  kind: 'instance.probe',
  name,
  probe: { at, ok: true, latency_ms, error: null },
});
const line = (text: string): FleetEvent => ({ kind: 'log.line', name: 'a', line: { at, text } });
/** Fills the socket, so that following events wait. */
const fill = (box: Outbox) => box.event('logs:a', line('x'.repeat(70_000)));

describe('the outbox of one client', () => {
  it('replaces a waiting reading by a newer one', () => {
    const { socket, box } = outbox();
    box.snapshot('health', {});
    fill(box);
    for (let index = 0; index < 1_000; index += 1) box.event('health', probe(`i${index % 3}`, index));
    expect(socket.frames).toHaveLength(2);
    socket.read();
    expect(socket.events.slice(1)).toEqual([probe('i0', 999), probe('i1', 997), probe('i2', 998)]);
    expect(socket.sequences('health')).toEqual([1, 2, 3, 4]);
  });

  it('sends all lines in order', () => {
    const { socket, box } = outbox();
    fill(box);
    for (let index = 0; index < 1_000; index += 1) box.event('logs:a', line(`${index}`));
    socket.read();
    expect(socket.events.slice(1)).toEqual(Array.from({ length: 1_000 }, (_, index) => line(`${index}`)));
  });

  it('drops waiting events of a topic when it sends a snapshot of it', () => {
    const { socket, box } = outbox();
    fill(box);
    box.event('health', probe('a'));
    box.event('instances', { kind: 'instance.removed', name: 'b' });
    box.snapshot('health', {});
    socket.read();
    expect(socket.frames.slice(1)).toMatchObject([
      { type: 'snapshot', topic: 'health', seq: 1 },
      { type: 'event', topic: 'instances', seq: 1 },
    ]);
  });

  it('drops waiting events of a topic that was unsubscribed', () => {
    const { socket, box } = outbox();
    fill(box);
    box.event('health', probe('a'));
    box.forget('health');
    socket.read();
    expect(socket.frames).toHaveLength(1);
  });

  it('numbers the frames of each topic without gaps', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('event' as const),
        topic: fc.constantFrom('health', 'instances', 'logs:a'),
      }),
      fc.record({ kind: fc.constant('snapshot' as const), topic: fc.constantFrom('health', 'instances') }),
      fc.record({ kind: fc.constantFrom('read' as const, 'fill' as const), topic: fc.constant('') }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { socket, box } = outbox();
        for (const { kind, topic } of steps) {
          if (kind === 'event') box.event(topic, topic === 'health' ? probe('a') : line('x'));
          else if (kind === 'snapshot') box.snapshot(topic, []);
          else if (kind === 'read') socket.read();
          else fill(box);
        }
        socket.read();
        for (const topic of ['health', 'instances', 'logs:a']) {
          const sequences = socket.sequences(topic);
          expect(sequences).toEqual(sequences.map((_, index) => index + 1));
        }
      }),
    );
  });
});

describe('a client that is too slow', () => {
  it('is closed with 1013 beyond the limit of waiting events, which are dropped', async () => {
    const { socket, box } = outbox();
    fill(box);
    for (let index = 0; index < 5_000; index += 1) box.event('logs:a', line('x'));
    expect(socket.closedWith).toBeNull();
    box.event('logs:a', line('x'));
    expect(socket.closedWith).toBe(1013);
    for (let index = 0; index < 10_000; index += 1) box.event('logs:a', line('x'));
    await box.drained();
    socket.read();
    expect(socket.frames).toHaveLength(1);
  });

  it('is closed beyond the limit of unsent snapshots', () => {
    const { socket, box } = outbox();
    const data = [{ text: 'x'.repeat(1024 * 1024) }];
    for (let index = 0; index < 100; index += 1) box.snapshot('logs:a', data);
    expect(socket.closedWith).toBe(1013);
    expect(socket.frames.length).toBeLessThanOrEqual(9);
  });

  it('delays a source that waits for `drained`, until it has read or disconnected', async () => {
    const { socket, box } = outbox();
    await box.drained();
    fill(box);
    box.event('logs:a', line('x'));
    let drained = false;
    const waiting = box.drained().then(() => {
      drained = true;
      return drained;
    });
    await Promise.resolve();
    expect(drained).toBe(false);
    socket.read();
    await waiting;
    fill(box);
    const forever = box.drained();
    socket.disconnect();
    await forever;
  });
});

describe('snapshots of a large fleet', () => {
  const large = ['x'.repeat(9 * 1024 * 1024)];

  it('do not close the connection of a client that reads them', () => {
    const { socket, box } = outbox();
    box.snapshot('instances', large);
    box.snapshot('health', large);
    box.send({ type: 'ok', id: 1 });
    box.event('health', probe('a'));
    socket.read();
    expect(socket.closedWith).toBeNull();
    expect(socket.frames.map(({ type }) => type)).toEqual(['snapshot', 'snapshot', 'ok', 'event']);
  });

  it('close the connection of a client that asks for more of them and does not read', () => {
    const { socket, box } = outbox();
    for (let count = 0; count < 5; count += 1) box.snapshot('instances', large);
    expect(socket.closedWith).toBe(1013);
    expect(socket.frames.length).toBeLessThan(4);
  });

  it('wait in parts for earlier events, and end with the connection', async () => {
    const { socket, box } = outbox();
    fill(box);
    box.event('instances', probe('a'));
    const sent = box.part('instances', () => ({ part: 1, last: false, data: [] }));
    expect(socket.frames.some(({ type }) => type === 'snapshot')).toBe(false);
    socket.read();
    expect(await sent).toBe(true);
    expect(socket.frames.slice(-2).map(({ type }) => type)).toEqual(['event', 'snapshot']);
    expect(socket.sequences('instances')).toEqual([1, 2]);
    fill(box);
    const next = box.part('instances', () => ({ part: 2, last: true, data: [] }));
    socket.disconnect();
    expect(await next).toBe(false);
  });

  it('do not exempt logs', () => {
    const { socket, box } = outbox();
    for (let count = 0; count < 3; count += 1) box.snapshot(`logs:${count}`, large);
    expect(socket.closedWith).toBe(1013);
  });
});
