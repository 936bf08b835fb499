import { describe, expect, it } from 'vitest';
import { parseServerFrame } from './stream-frames.ts';

describe('parseServerFrame', () => {
  it.each([
    { type: 'snapshot', topic: 'instances', seq: 0, data: [] },
    { type: 'event', topic: 'instances', seq: 1, event: { kind: 'instance.removed', name: 'x' } },
    { type: 'ok', id: 1 },
    { type: 'pong', id: 1 },
    { type: 'error', id: null, code: 'request.invalid', message: 'no' },
  ])('takes $type', (frame) => {
    expect(parseServerFrame(JSON.stringify(frame))).toEqual(frame);
  });

  it.each([
    '',
    'null',
    '[]',
    '{"type":"snapshot","topic":"instances","data":[]}',
    '{"type":"snapshot","topic":"instances","seq":1.5,"data":[]}',
    '{"type":"snapshot","topic":"instances","seq":1,"data":null}',
    '{"type":"event","topic":"instances","seq":1,"event":{}}',
    '{"type":"event","topic":"instances","seq":1,"event":[]}',
    '{"type":"other"}',
  ])('refuses %s', (text) => {
    expect(parseServerFrame(text)).toBeNull();
  });
});
