import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import {
  type WebSocketMessage,
  WebSocketMessageSchema,
} from '../../shared/proto/fathom/work/v1/messages_pb.js';
import { sharedDeployment } from '../helpers/harness.ts';
import { call, type Session, signUp } from '../helpers/http-call.ts';
import { until } from '../helpers/until.ts';

const shared = sharedDeployment({ FATHOM_APPS: 'documents,work-items', RATE_LIMIT_PER_MINUTE: '100000' });

async function connect({ token }: Session, protocols = ['fathom.work.v1']) {
  const socket = new WebSocket(`${shared.fathom.url.replace('http', 'ws')}/ws`, protocols, {
    headers: { authorization: `Bearer ${token}` },
  });
  onTestFinished(() => socket.terminate());
  const messages: WebSocketMessage[] = [];
  const closed = new Promise<number>((resolve) => {
    socket.on('close', resolve);
  });
  socket.on('message', (data, isBinary) => {
    if (isBinary) messages.push(fromBinary(WebSocketMessageSchema, data as Buffer));
  });
  await new Promise((resolve, reject) => {
    socket.once('open', resolve).once('error', reject);
  });
  const ask = (messageId: string, payload: WebSocketMessage['payload']) => {
    socket.send(toBinary(WebSocketMessageSchema, create(WebSocketMessageSchema, { messageId, payload })));
    return until(() => messages.find((message) => message.messageId === messageId), {
      what: `the answer to ${messageId}`,
    });
  };
  const subscribe = (messageId: string, projectId: string) =>
    ask(messageId, {
      case: 'subscribe',
      value: { $typeName: 'fathom.work.v1.Subscribe', projectIds: [projectId] },
    });
  return { socket, messages, closed, ask, subscribe };
}

async function createProject({ token }: Session, title: string): Promise<string> {
  const url = `${shared.fathom.url}/api/v1/projects`;
  const { status, body } = await call<{ id: string }>('POST', url, { token, body: { title } });
  expect(status).toBe(201);
  return body.id;
}

it('websocket broadcast in protobuf: two clients of a project get its items, a third of another does not', async () => {
  const { url } = shared.fathom;
  const ann = await signUp(url, 'ann@example.com');
  const [first, second] = [await createProject(ann, 'first'), await createProject(ann, 'second')];
  const clients = [await connect(ann), await connect(ann), await connect(ann)] as const;
  for (const [index, client] of clients.entries()) {
    expect(client.socket.protocol).toBe('fathom.work.v1');
    expect((await client.subscribe('1', index < 2 ? first : second)).payload.case).toBe('subscribed');
  }
  const body = { item_type: 'task', title: 'größer 🎉', project_id: first };
  const items = `${url}/api/v1/work-items`;
  const { body: created } = await call<{ id: string }>('POST', items, { token: ann.token, body });
  const own = { ...body, project_id: second };
  await call('POST', items, { token: ann.token, body: own });
  const createdItems = (client: (typeof clients)[number]) =>
    client.messages.filter(({ payload }) => payload.case === 'workItemCreated');
  for (const client of clients) await until(() => createdItems(client).length > 0, { what: 'the new item' });
  for (const client of clients.slice(0, 2)) {
    expect(createdItems(client)).toHaveLength(1);
    expect(createdItems(client)[0]).toMatchObject({
      seq: 2n,
      projectId: first,
      actorId: ann.user.id,
      payload: { value: { id: created.id, data: { title: 'größer 🎉', itemType: 4, version: 1n } } },
    });
  }
  expect(createdItems(clients[2]).map(({ projectId }) => projectId)).toEqual([second]);
});

it('closes a connection for text and for a frame that is too large, and answers what it cannot read', async () => {
  const bob = await signUp(shared.fathom.url, 'bob@example.com');
  const [text, large, odd] = [await connect(bob), await connect(bob), await connect(bob)];
  text.socket.send('{"type": "ping", "id": 1}');
  expect(await text.closed).toBe(1003);
  large.socket.send(Buffer.alloc(65 * 1024));
  expect(await large.closed).toBe(1009);
  odd.socket.send(Buffer.from('no message'));
  await until(() => odd.messages.length === 1, { what: 'the refusal' });
  expect(odd.messages[0]?.payload).toMatchObject({ case: 'error', value: { code: 'request.invalid' } });
  const ping = { case: 'ping', value: { $typeName: 'fathom.work.v1.Ping' } } as const;
  expect((await odd.ask('2', ping)).payload.case).toBe('pong');
  for (const [id, projectId, code] of [
    ['3', '00000000-0000-4000-8000-000000000000', 'not_found'],
    ['4', '../instances', 'request.invalid'],
  ] as const)
    expect(await odd.subscribe(id, projectId)).toMatchObject({
      projectId: code === 'not_found' ? projectId : '',
      payload: { case: 'error', value: { code } },
    });
});

it('takes the first subprotocol that it has', async () => {
  const cleo = await signUp(shared.fathom.url, 'cleo@example.com');
  expect((await connect(cleo, ['other', 'fathom.work.v1', 'fathom.v1'])).socket.protocol).toBe(
    'fathom.work.v1',
  );
  expect((await connect(cleo, ['fathom.v1', 'fathom.work.v1'])).socket.protocol).toBe('fathom.v1');
});
