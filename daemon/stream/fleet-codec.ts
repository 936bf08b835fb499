import { fromBinary, fromJsonString, toBinary } from '@bufbuild/protobuf';
import { FrameSchema } from '../../shared/proto/fathom/v1/stream_pb.js';
import type { Codec, StreamFrame } from './codec.ts';
import { changeOf } from './work-codec.ts';

/** `fathom.v1+proto`: all topics, in protobuf. Loaded for the first client. */
export const fleetCodec: Codec = {
  isBinary: true,
  decode(data) {
    try {
      const { id, payload } = fromBinary(FrameSchema, data);
      switch (payload.case) {
        case 'ping':
          return { type: 'ping', id };
        case 'unsubscribe':
          return { type: 'unsubscribe', id, topics: payload.value.topics };
        case 'subscribe': {
          const { topics, from, parts } = payload.value;
          return { type: 'subscribe', id, topics, from: from === undefined ? from : Number(from), parts };
        }
        default:
          return null;
      }
    } catch {
      return null;
    }
  },
  encode(frame) {
    // As text, JSON has no undefined and no numbers that are not finite.
    const json = JSON.stringify(messageOfFrame(frame), toWellFormed);
    return toBinary(FrameSchema, fromJsonString(FrameSchema, json, { ignoreUnknownFields: true }));
  },
};

/** Protobuf refuses half of a surrogate pair, as in a text that was cut. */
function toWellFormed(_: string, value: unknown): unknown {
  return typeof value === 'string' ? value.toWellFormed() : value;
}

type Snapshot = Extract<StreamFrame, { type: 'snapshot' }>;
type Event = Extract<StreamFrame, { type: 'event' }>['event'];

function messageOfFrame(frame: StreamFrame): object {
  switch (frame.type) {
    case 'ok':
    case 'pong':
      return { id: String(frame.id), [frame.type]: {} };
    case 'error':
      return {
        id: String(frame.id ?? ''),
        topic: frame.topic ?? '',
        error: { code: frame.code, message: frame.message },
      };
    case 'snapshot':
      return { topic: frame.topic, seq: frame.seq, ...snapshotOf(frame) };
    case 'event':
      return { topic: frame.topic, seq: frame.seq, ...eventOf(frame.event) };
  }
}

function snapshotOf(frame: Snapshot): object {
  switch (frame.topic) {
    case 'instances':
      return { instances_snapshot: { instances: frame.data, part: frame.part, last: frame.last } };
    case 'health':
      return { health_snapshot: frame.data };
    case 'queue':
      return { queue_snapshot: frame.data };
    case 'audit':
      return { audit_snapshot: { entries: frame.data } };
    default:
      return Array.isArray(frame.data)
        ? { log_snapshot: { lines: frame.data } }
        : { project_snapshot: frame.data };
  }
}

function eventOf(event: Event): object {
  if ('project_id' in event) return { project_change: changeOf(event) };
  const { kind, ...fields } = event;
  return { [kind.replace('.', '_')]: fields };
}
