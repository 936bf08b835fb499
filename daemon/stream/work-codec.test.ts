import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, it } from 'vitest';
import { exampleOf } from '../../shared/api/contract/endpoint.ts';
import { work } from '../../shared/api/work/endpoints.ts';
import { WebSocketMessageSchema } from '../../shared/proto/fathom/work/v1/messages_pb.js';
import { WORK_ACTIONS, WORK_ENTITIES, type WorkEvent } from '../../shared/work/events.ts';
import type { StreamFrame } from './codec.ts';
import { workCodec } from './work-codec.ts';

const DATA = {
  work_item: work.getWorkItem.responses[200].schema,
  sprint: work.getSprint.responses[200].schema,
  comment: work.getComment.responses[200].schema,
  time_entry: work.getTimeEntry.responses[200].schema,
  dependency: work.getDependency.responses[200].schema,
  swim_lane: work.listSwimLanes.responses[200].schema,
  llm_context: work.getLlmContext.responses[200].schema,
};

const read = (frame: StreamFrame) =>
  fromBinary(WebSocketMessageSchema, workCodec.encode(frame) as Uint8Array);
const camelCase = (name: string) => name.replace(/[_.](\w)/g, (_, letter: string) => letter.toUpperCase());

const request = (payload: object) =>
  workCodec.decode(
    Buffer.from(
      toBinary(WebSocketMessageSchema, create(WebSocketMessageSchema, { messageId: '7', ...payload })),
    ),
    true,
  );

describe('events', () => {
  it.each(WORK_ENTITIES.flatMap((entity) => WORK_ACTIONS.map((action) => [entity, action] as const)))(
    '%s %s keeps all fields, for each client with its own seq',
    (entity, action) => {
      const example = exampleOf(DATA[entity]) as { items?: object[] };
      const data = action === 'deleted' ? null : (example.items?.[0] ?? example);
      const event = {
        kind: `${entity}.${action}`,
        id: 'größe 🎉',
        project_id: 'p',
        changed: action === 'updated' ? ['title', 'rank'] : [],
        actor_id: null,
        actor_kind: 'system',
        at: 1_768_465_800_000,
        data,
      } as WorkEvent;
      for (const seq of [1, 2 ** 40]) {
        const message = read({ type: 'event', topic: 'work:p', seq, event });
        expect(message).toMatchObject({ seq: BigInt(seq), at: BigInt(event.at), projectId: 'p' });
        expect(message.payload.case).toBe(camelCase(event.kind));
        const value = message.payload.value as unknown as Record<string, unknown>;
        expect(value['id']).toBe('größe 🎉');
        if (data === null) continue;
        expect(value['changed']).toEqual(event.changed);
        for (const name of Object.keys(data)) expect(value['data']).toHaveProperty(camelCase(name));
      }
    },
  );
});

it.each([
  [{ type: 'ok', id: 'a' }, { case: 'subscribed' }],
  [{ type: 'pong', id: 'a' }, { case: 'pong' }],
  [
    { type: 'error', id: 'a', code: 'c', message: 'm' },
    { case: 'error', value: { code: 'c', message: 'm' } },
  ],
] as const)('answers %j with the id of the request', (frame, payload) => {
  expect(read(frame)).toMatchObject({ messageId: 'a', payload });
});

it('names the project of an error', () => {
  const frame = { type: 'error', id: null, topic: 'work:p', code: 'c', message: 'm' } as const;
  expect(read(frame)).toMatchObject({ messageId: '', projectId: 'p', payload: { case: 'error' } });
});

it('sends a snapshot as a resync', () => {
  const frame = { type: 'snapshot', topic: 'work:p', seq: 3, data: { phase: 'asleep' } } as const;
  expect(read(frame)).toMatchObject({
    seq: 3n,
    projectId: 'p',
    payload: { case: 'resync', value: { phase: 'asleep' } },
  });
});

it('reads the frames of clients, and no others', () => {
  const value = { projectIds: ['p'] };
  for (const type of ['subscribe', 'unsubscribe'])
    expect(request({ payload: { case: type, value } })).toEqual({ type, id: '7', topics: ['work:p'] });
  expect(request({ payload: { case: 'ping', value: {} } })).toEqual({ type: 'ping', id: '7' });
  expect(request({ payload: { case: 'resync', value: {} } })).toBeNull();
  expect(request({})).toBeNull();
  for (const odd of ['', 'text', '\xff\xff\xff\xff', '\x0a\x7f'])
    expect(workCodec.decode(Buffer.from(odd, 'latin1'), true)).toBeNull();
});

it('keeps fields that a newer release adds', () => {
  const added = new BinaryWriter().tag(999, WireType.LengthDelimited).string('new').finish();
  const frame = workCodec.encode({ type: 'pong', id: '1' }) as Uint8Array;
  const newer = Buffer.concat([frame, added]);
  const again = toBinary(WebSocketMessageSchema, fromBinary(WebSocketMessageSchema, newer));
  expect(Buffer.from(again).equals(newer)).toBe(true);
});
