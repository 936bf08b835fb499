import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { audit } from '../../shared/api/audit.ts';
import { exampleOf as untypedExampleOf } from '../../shared/api/contract/endpoint.ts';
import { getStatus } from '../../shared/api/daemon.ts';
import { type Instance, instanceSchema, lastExitSchema } from '../../shared/api/instances.ts';
import { queueStatsSchema, taskSummarySchema } from '../../shared/api/queue.ts';
import { rolloutSchema } from '../../shared/api/rollouts.ts';
import type { FleetEvent, LogLine } from '../../shared/events.ts';
import {
  AuditEntrySchema,
  DaemonUsageSchema,
  FrameSchema,
  InstanceSchema,
  LastExitSchema,
  QueueStatsSchema,
  RolloutSchema,
  TaskSummarySchema,
} from '../../shared/proto/fathom/v1/stream_pb.js';
import type { WorkEvent } from '../../shared/work/events.ts';
import type { StreamFrame } from './codec.ts';
import { fleetCodec } from './fleet-codec.ts';

const exampleOf = <S extends z.ZodType>(schema: S) => untypedExampleOf(schema) as z.infer<S>;

const AT = '2026-01-15T10:00:00.000Z';
const auditEntrySchema = audit.list.responses[200].schema.shape.items.element;
const daemonUsageSchema = getStatus.responses[200].schema.shape.usage.unwrap();

const lastExit = { code: null, signal: 'SIGKILL', at: AT, uptime_s: 0.5, ended_by: 'fathomd' } as const;
const instance: Instance = {
  ...exampleOf(instanceSchema),
  email: 'größe🎉@example.com',
  reason: { code: 'idle', message: '', log_tail: ['a', ''] },
  moved: { from: 9001, at: AT, reason: 'in use' },
  last_exit: lastExit,
  crashes: { count: 2 ** 40, since: AT, last_at: AT },
};
const asleep: Instance = {
  ...instance,
  pid: null,
  probe: null,
  usage: null,
  reason: null,
  limits: { memory_bytes: null, disk_bytes: 2 ** 50, sleep_after: 0 },
};
const { probe, usage } = exampleOf(instanceSchema);
const daemon = exampleOf(daemonUsageSchema);
const rollout = {
  ...exampleOf(rolloutSchema),
  problems: [{ name: 'd', result: 'failed', at: AT, message: 'no' } as const],
};
const task = exampleOf(taskSummarySchema);
const stats = exampleOf(queueStatsSchema);
const entry = exampleOf(auditEntrySchema);
const line: LogLine = {
  at: AT,
  text: 'tab\t\u0000 größe 🎉',
  position: 2 ** 40,
  run: { pid: 1, started_at: AT, run: null, last_exit: lastExit },
  source: 'requests',
};

const SNAPSHOTS: Extract<StreamFrame, { type: 'snapshot' }>[] = [
  { type: 'snapshot', topic: 'instances', seq: 1, data: [instance, asleep] },
  { type: 'snapshot', topic: 'instances', seq: 1, data: [instance], part: 1, last: false },
  {
    type: 'snapshot',
    topic: 'health',
    seq: 1,
    data: { daemon, rollout, instances: { a: { probe, usage }, b: { probe: null, usage: null } } },
  },
  { type: 'snapshot', topic: 'health', seq: 1, data: { daemon: null, rollout: null, instances: {} } },
  { type: 'snapshot', topic: 'queue', seq: 1, data: { stats, tasks: [task] } },
  { type: 'snapshot', topic: 'queue', seq: 1, data: { stats: null, tasks: [] } },
  { type: 'snapshot', topic: 'audit', seq: 2 ** 40, data: [entry] },
  { type: 'snapshot', topic: 'logs:d', seq: 1, data: [line, { at: AT, text: '' }] },
  { type: 'snapshot', topic: 'logs:d', seq: 1, data: [] },
  { type: 'snapshot', topic: 'work:p', seq: 1, data: { phase: 'asleep' } },
];

const EVENTS: { [K in FleetEvent['kind']]: Extract<FleetEvent, { kind: K }> } = {
  'instance.added': { kind: 'instance.added', instance },
  'instance.phase': { kind: 'instance.phase', name: 'd', from: 'queued', to: 'running', at: AT, instance },
  'instance.wake': { kind: 'instance.wake', name: 'd', by: 'connection', at: AT },
  'instance.changed': { kind: 'instance.changed', name: 'd', instance: asleep },
  'instance.moved': { kind: 'instance.moved', name: 'd', from: 1, to: 65_535, at: AT },
  'instance.removed': { kind: 'instance.removed', name: 'd' },
  'instance.probe': {
    kind: 'instance.probe',
    name: 'd',
    probe: { at: AT, ok: false, latency_ms: 0, error: '' },
  },
  'instance.usage': { kind: 'instance.usage', name: 'd', usage: { ...exampleUsage(), pss_bytes: null } },
  'daemon.usage': { kind: 'daemon.usage', usage: daemon },
  'queue.task': { kind: 'queue.task', task },
  'queue.stats': { kind: 'queue.stats', stats },
  'rollout.changed': { kind: 'rollout.changed', rollout },
  'audit.entry': { kind: 'audit.entry', entry },
  'log.line': { kind: 'log.line', name: 'd', line },
};

function exampleUsage() {
  if (usage === null) throw new Error('the example of an instance has no usage');
  return usage;
}

const read = (frame: StreamFrame) => fromBinary(FrameSchema, fleetCodec.encode(frame) as Uint8Array);

const isSaid = (one: unknown) =>
  one !== null && one !== undefined && !(Array.isArray(one) && one.length === 0);

/** What both forms say: without null, undefined and empty lists; numbers as text, as those of 64 bits are. */
function plain(value: unknown): unknown {
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, one]) => (isSaid(one) ? [[name, plain(one)]] : [])),
  );
}

/** The payload of a frame, read again, with the names of the schema. */
function payloadOf(frame: StreamFrame): [string, unknown] {
  const json = toJson(FrameSchema, read(frame), { useProtoFieldName: true, alwaysEmitImplicit: true });
  const { id: _, topic, seq, ...payload } = json as Record<string, unknown>;
  if ('seq' in frame) expect({ topic, seq }).toEqual({ topic: frame.topic, seq: String(frame.seq) });
  const [only, ...others] = Object.entries(payload);
  expect(others).toEqual([]);
  return [only?.[0] ?? '', plain(only?.[1])];
}

const decode = (frame: MessageInitShape<typeof FrameSchema>) =>
  fleetCodec.decode(Buffer.from(toBinary(FrameSchema, create(FrameSchema, frame))), true);

describe('fathom.v1+proto', () => {
  it.each(SNAPSHOTS)('keeps all fields of a snapshot of $topic', (frame) => {
    const [name, payload] = payloadOf(frame);
    const { data } = frame;
    const fields = { instances: 'instances', audit: 'entries' }[frame.topic as string] ?? 'lines';
    const parts = 'part' in frame ? { part: frame.part, last: frame.last } : {};
    expect(name).toMatch(/_snapshot$/);
    expect(payload).toEqual(plain(Array.isArray(data) ? { [fields]: data, ...parts } : data));
  });

  it.each(Object.values(EVENTS))('keeps all fields of $kind', (event) => {
    const { kind, ...fields } = event;
    const frame = { type: 'event', topic: 'any', seq: 7, event } as const;
    expect(payloadOf(frame)).toEqual([kind.replace('.', '_'), plain(fields)]);
  });

  it('has the changes of projects as in fathom.work.v1', () => {
    const event = {
      kind: 'work_item.deleted',
      id: 'i',
      project_id: 'p',
      changed: [],
      actor_id: null,
      actor_kind: 'owner',
      at: 1_768_465_800_000,
      data: null,
    } satisfies WorkEvent;
    expect(read({ type: 'event', topic: 'work:p', seq: 2, event })).toMatchObject({
      seq: 2n,
      payload: {
        case: 'projectChange',
        value: {
          projectId: 'p',
          at: BigInt(event.at),
          payload: { case: 'workItemDeleted', value: { id: 'i' } },
        },
      },
    });
  });

  it('answers with the id of the request', () => {
    expect(read({ type: 'ok', id: 'a' })).toMatchObject({ id: 'a', payload: { case: 'ok' } });
    expect(read({ type: 'pong', id: 7 })).toMatchObject({ id: '7', payload: { case: 'pong' } });
    expect(read({ type: 'error', id: null, topic: 'logs:d', code: 'c', message: 'm' })).toMatchObject({
      id: '',
      topic: 'logs:d',
      payload: { case: 'error', value: { code: 'c', message: 'm' } },
    });
  });

  it('reads the frames of clients, and no others', () => {
    const topics = ['instances', 'logs:d'];
    expect(
      decode({ id: 'a', payload: { case: 'subscribe', value: { topics, from: 0n, parts: true } } }),
    ).toEqual({
      type: 'subscribe',
      id: 'a',
      topics,
      from: 0,
      parts: true,
    });
    expect(decode({ id: 'a', payload: { case: 'subscribe', value: { topics } } })).toMatchObject({
      from: undefined,
      parts: false,
    });
    expect(decode({ id: 'a', payload: { case: 'unsubscribe', value: { topics } } })).toEqual({
      type: 'unsubscribe',
      id: 'a',
      topics,
    });
    expect(decode({ id: 'a', payload: { case: 'ping', value: {} } })).toEqual({ type: 'ping', id: 'a' });
    expect(decode({ id: 'a', payload: { case: 'ok', value: {} } })).toBeNull();
    expect(decode({ id: 'a' })).toBeNull();
    for (const odd of ['', 'text', '\xff\xff\xff\xff', '\x0a\x7f'])
      expect(fleetCodec.decode(Buffer.from(odd, 'latin1'), true)).toBeNull();
  });

  it('keeps fields that a newer release adds', () => {
    const added = new BinaryWriter().tag(999, WireType.LengthDelimited).string('new').finish();
    const newer = Buffer.concat([fleetCodec.encode({ type: 'pong', id: 'a' }) as Uint8Array, added]);
    expect(Buffer.from(toBinary(FrameSchema, fromBinary(FrameSchema, newer))).equals(newer)).toBe(true);
  });

  it('sends values that JSON cannot have, and leaves out fields that the schema does not have', () => {
    const odd = { ...exampleUsage(), cpu_percent: Number.NaN, added_later: 1 };
    const frame = {
      type: 'event',
      topic: 'health',
      seq: 1,
      event: { kind: 'instance.usage', name: 'cut \ud83c', usage: odd },
    } as const;
    const { cpu_percent: _, ...kept } = exampleUsage();
    expect(payloadOf(frame)).toEqual(['instance_usage', plain({ name: 'cut \ufffd', usage: kept })]);
  });
});

/** The paths of fields, with `?` for those that may be absent. */
function fieldsOfMessage(message: DescMessage): string[] {
  return message.fields.flatMap((field) => {
    const isOptional = field.fieldKind === 'scalar' && field.presence === FeatureSet_FieldPresence.EXPLICIT;
    const inner = field.message ? fieldsOfMessage(field.message).map((path) => `${field.name}.${path}`) : [];
    return [`${field.name}${isOptional ? '?' : ''}`, ...inner];
  });
}

function fieldsOfSchema(schema: z.ZodObject): string[] {
  return Object.entries(schema.shape).flatMap(([name, field]) => {
    let inner: unknown = field;
    while (inner instanceof z.ZodNullable || inner instanceof z.ZodExactOptional) inner = inner.unwrap();
    const isScalar = !(inner instanceof z.ZodObject || inner instanceof z.ZodArray);
    if (inner instanceof z.ZodArray) inner = inner.element;
    const paths = inner instanceof z.ZodObject ? fieldsOfSchema(inner).map((path) => `${name}.${path}`) : [];
    return [`${name}${isScalar && field instanceof z.ZodNullable ? '?' : ''}`, ...paths];
  });
}

it.each([
  ['Instance', instanceSchema, InstanceSchema],
  ['LastExit', lastExitSchema, LastExitSchema],
  ['DaemonUsage', daemonUsageSchema, DaemonUsageSchema],
  ['QueueStats', queueStatsSchema, QueueStatsSchema],
  ['TaskSummary', taskSummarySchema, TaskSummarySchema],
  ['Rollout', rolloutSchema, RolloutSchema],
  ['AuditEntry', auditEntrySchema, AuditEntrySchema],
] as const)('%s has the fields of the API', (_, schema, message) => {
  expect(fieldsOfMessage(message).toSorted()).toEqual(fieldsOfSchema(schema as z.ZodObject).toSorted());
});
