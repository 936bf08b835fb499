import { fromBinary, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { WebSocketMessageSchema } from '../../shared/proto/fathom/work/v1/messages_pb.js';
import type { WorkEvent } from '../../shared/work/events.ts';
import type { Codec } from './codec.ts';

/** Number of the field `seq` in `WebSocketMessage`. */
const SEQ = 2;

/** Without `seq`, which differs between clients. */
const encoded = new WeakMap<WorkEvent, Uint8Array>();

/** `fathom.work.v1`: the topics of projects, in protobuf. Loaded for the first client. */
export const workCodec: Codec = {
  isBinary: true,
  decode(data) {
    try {
      const { messageId: id, payload } = fromBinary(WebSocketMessageSchema, data);
      const { case: type } = payload;
      if (type === 'ping') return { type, id };
      if (type !== 'subscribe' && type !== 'unsubscribe') return null;
      return { type, id, topics: payload.value.projectIds.map((project) => `work:${project}`) };
    } catch {
      return null;
    }
  },
  encode(frame) {
    switch (frame.type) {
      case 'ok':
        return encode({ message_id: String(frame.id), subscribed: {} });
      case 'pong':
        return encode({ message_id: String(frame.id), pong: {} });
      case 'error':
        return encode({
          message_id: String(frame.id ?? ''),
          project_id: projectOf(frame.topic ?? ''),
          error: { code: frame.code, message: frame.message },
        });
      case 'snapshot':
        return encode({
          seq: frame.seq,
          project_id: projectOf(frame.topic),
          resync: frame.data as JsonValue,
        });
      case 'event':
        return encodeEvent(frame.event as WorkEvent, frame.seq);
    }
  },
};

/** All topics of this subprotocol are projects. */
function projectOf(topic: string): string {
  return topic.slice(topic.indexOf(':') + 1);
}

function encode(message: JsonValue): Uint8Array {
  return toBinary(WebSocketMessageSchema, fromJson(WebSocketMessageSchema, message));
}

/** The fields of a message may have any order, so `seq` is added to what all clients share. */
function encodeEvent(event: WorkEvent, seq: number): Uint8Array {
  let shared = encoded.get(event);
  if (!shared) {
    shared = encode(changeOf(event));
    encoded.set(event, shared);
  }
  const own = new BinaryWriter().tag(SEQ, WireType.Varint).int64(seq).finish();
  return Buffer.concat([own, shared]);
}

/** The message of a change, without its `seq`. */
export function changeOf({
  kind,
  id,
  project_id,
  changed,
  actor_id,
  actor_kind,
  at,
  data,
}: WorkEvent): JsonValue {
  const isDeletion = kind.endsWith('.deleted');
  const item =
    data !== null && 'item_type' in data ? { item_type: enumOf('WORK_ITEM_TYPE', data.item_type) } : {};
  const change = { id, changed, data: data && { ...data, ...item } };
  return {
    at,
    project_id,
    actor_id,
    actor_kind: enumOf('ACTOR_KIND', actor_kind),
    [kind.replace('.', '_')]: isDeletion ? { id } : change,
  };
}

function enumOf(name: string, value: string): string {
  return `${name}_${value.toUpperCase()}`;
}
