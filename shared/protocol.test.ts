import { describe, expect, it } from 'vitest';
import { clientFrameSchema } from './protocol.ts';

describe('frames of a client', () => {
  it.each([
    [{ type: 'subscribe', id: 1, topics: ['instances', 'logs:2024-01-15-001-ann'] }, true],
    [{ type: 'ping', id: 'a' }, true],
    [{ type: 'subscribe', id: 1, topics: [] }, false],
    [{ type: 'subscribe', id: 1, topics: ['logs:'] }, false],
    [{ type: 'subscribe', id: 1, topics: ['everything'] }, false],
    [{ type: 'subscribe', topics: ['instances'] }, false],
    [{ type: 'ping', id: 1, more: true }, false],
    [{ type: 'stop', id: 1 }, false],
    [null, false],
  ])('%j: %s', (frame, valid) => {
    expect(clientFrameSchema.safeParse(frame).success).toBe(valid);
  });
});
