import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { type Frame, FrameSchema } from '../../shared/proto/fathom/v1/stream_pb.js';
import { sharedDeployment } from '../helpers/harness.ts';
import { call, type Session, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';

const shared = sharedDeployment({ FATHOM_APPS: 'documents,work-items', RATE_LIMIT_PER_MINUTE: '100000' });

async function connect({ token }: Session) {
  const socket = new WebSocket(`${shared.fathom.url.replace('http', 'ws')}/ws`, 'fathom.v1+proto', {
    headers: { authorization: `Bearer ${token}` },
  });
  onTestFinished(() => socket.terminate());
  const frames: Frame[] = [];
  const closed = new Promise<number>((resolve) => {
    socket.on('close', resolve);
  });
  socket.on('message', (data, isBinary) => {
    if (isBinary) frames.push(fromBinary(FrameSchema, data as Buffer));
  });
  await new Promise((resolve, reject) => {
    socket.once('open', resolve).once('error', reject);
  });
  const ask = (id: string, payload: Frame['payload']) => {
    socket.send(toBinary(FrameSchema, create(FrameSchema, { id, payload })));
    return until(() => frames.find((frame) => frame.id === id), { what: `the answer to ${id}` });
  };
  const subscribe = (id: string, ...topics: string[]) =>
    ask(id, { case: 'subscribe', value: { $typeName: 'fathom.v1.Subscribe', topics, parts: false } });
  const of = (topic: string) => frames.filter((frame) => frame.topic === topic);
  return { socket, frames, closed, ask, subscribe, of };
}

it('sends the topics of the fleet, to each account its own', async () => {
  const { url } = shared.fathom;
  const ann = await signUp(url, 'ann@example.com');
  const bob = await signUp(url, 'bob@example.com');
  const client = await connect(ann);
  expect(client.socket.protocol).toBe('fathom.v1+proto');
  const log = `logs:${ann.database.name}`;
  expect((await client.subscribe('a', 'instances', 'health', 'queue', log)).payload.case).toBe('ok');
  expect(client.of('instances')[0]).toMatchObject({
    seq: 1n,
    payload: {
      case: 'instancesSnapshot',
      value: { instances: [{ name: ann.database.name, phase: 'running', userId: ann.user.id }] },
    },
  });
  for (const [topic, name, hidden] of [
    ['health', 'healthSnapshot', 'daemon'],
    ['queue', 'queueSnapshot', 'stats'],
  ] as const) {
    const payload = client.of(topic)[0]?.payload;
    expect(payload?.case).toBe(name);
    expect(payload?.value).not.toHaveProperty(hidden);
  }
  expect(client.of(log)[0]?.payload.case).toBe('logSnapshot');
  for (const [id, topic, code] of [
    ['b', `logs:${bob.database.name}`, 'not_found'],
    ['c', 'audit', 'auth.forbidden'],
    ['d', 'größe 🎉', 'request.invalid'],
    ['e', 'work:00000000-0000-4000-8000-000000000000', 'not_found'],
  ] as const)
    expect((await client.subscribe(id, topic)).payload).toMatchObject({ case: 'error', value: { code } });
  await shared.fathom.client.databases.restart(bob.database.name);
  await shared.fathom.client.databases.restart(ann.database.name);
  const phases = () =>
    client
      .of('instances')
      .flatMap(({ payload }) => (payload.case === 'instancePhase' ? [payload.value] : []));
  await until(() => phases().at(-1)?.to === 'running', { what: 'the restart in the stream' });
  expect(new Set(phases().map(({ name }) => name))).toEqual(new Set([ann.database.name]));
  expect(phases().at(-1)?.instance).toMatchObject({ name: ann.database.name, phase: 'running' });
  const seqs = client.of('instances').map(({ seq }) => seq);
  expect(seqs).toEqual(seqs.map((_, index) => BigInt(index + 1)));
});

it('sends the changes of a project', async () => {
  const cleo = await signUp(shared.fathom.url, 'cleo@example.com');
  const projects = `${shared.fathom.url}/api/v1/projects`;
  const { token } = cleo;
  const { body: project } = await call<{ id: string }>('POST', projects, { token, body: { title: 'first' } });
  const topic = `work:${project.id}`;
  const client = await connect(cleo);
  expect((await client.subscribe('a', topic)).payload.case).toBe('ok');
  expect(client.of(topic)[0]?.payload).toMatchObject({
    case: 'projectSnapshot',
    value: { phase: 'running' },
  });
  const body = { item_type: 'task', title: 'größer 🎉', project_id: project.id };
  await call('POST', `${shared.fathom.url}/api/v1/work-items`, { token, body });
  const [change] = await until(
    () => {
      const changes = client.of(topic).filter(({ payload }) => payload.case === 'projectChange');
      return changes.length > 0 ? changes : undefined;
    },
    { what: 'the new item' },
  );
  expect(change).toMatchObject({
    seq: 2n,
    payload: {
      value: {
        projectId: project.id,
        payload: { case: 'workItemCreated', value: { data: { title: 'größer 🎉' } } },
      },
    },
  });
});

it('closes a connection for text and for a frame that is too large, and answers what it cannot read', async () => {
  const dora = await signUp(shared.fathom.url, 'dora@example.com');
  const [text, large, odd] = [await connect(dora), await connect(dora), await connect(dora)];
  text.socket.send('{"type": "ping", "id": 1}');
  expect(await text.closed).toBe(1003);
  large.socket.send(Buffer.alloc(65 * 1024));
  expect(await large.closed).toBe(1009);
  odd.socket.send(Buffer.from('no message'));
  await until(() => odd.frames.length === 1, { what: 'the refusal' });
  expect(odd.frames[0]?.payload).toMatchObject({ case: 'error', value: { code: 'request.invalid' } });
  const ping = { case: 'ping', value: { $typeName: 'fathom.v1.Ping' } } as const;
  expect((await odd.ask('2', ping)).payload.case).toBe('pong');
});
