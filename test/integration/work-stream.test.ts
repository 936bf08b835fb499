import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createFathomClient } from '../../shared/client/package/application-client.ts';
import { FathomError } from '../../shared/errors.ts';
import type { ServerFrame, WorkFrame } from '../../shared/server-frames.ts';
import type { WorkEvent } from '../../shared/work/events.ts';
import { backUp } from '../helpers/backups.ts';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { instance, kill, untilInstance, untilReplaced, untilRunning } from '../helpers/fleet-actions.ts';
import { call, PASSWORD, type Session, signIn, signUp } from '../helpers/http-call.ts';
import { runInProcess } from '../helpers/run-cli.ts';
import { StreamReader } from '../helpers/stream-reader.ts';
import { until } from '../helpers/until.ts';

type Body = Record<string, unknown>;
type Frame = ServerFrame | WorkFrame;

const UNKNOWN = '00000000-0000-4000-8000-000000000000';

let fathom: Deployment;
let daemon: Daemon;
let ann: Session;
let bob: Session;
let project: string;
let topic: string;

beforeAll(async () => {
  fathom = await createDeployment({
    FATHOM_APPS: 'documents,work-items',
    RATE_LIMIT_PER_MINUTE: '100000',
  });
  daemon = await fathom.start();
  ann = await signUp(fathom.url, 'ann@example.com');
  bob = await signUp(fathom.url, 'bob@example.com');
  project = await created('/projects', { title: 'project' });
  topic = `work:${project}`;
});

afterAll(() => fathom?.dispose());

async function created(path: string, body: object, token = ann.token): Promise<string> {
  const answer = await call<Body>('POST', `${fathom.url}/api/v1${path}`, { token, body });
  expect(answer).toMatchObject({ status: 201 });
  return String(answer.body['id']);
}

const send = (method: string, path: string, body?: object) =>
  call<Body>(method, `${fathom.url}/api/v1${path}`, { token: ann.token, ...(body && { body }) });
const task = (more: object = {}) => ({ item_type: 'task', title: 'task', project_id: project, ...more });

function open(token = ann.token): StreamReader {
  const stream = new StreamReader(fathom, { token });
  onTestFinished(() => stream.close());
  return stream;
}

async function follow(token = ann.token): Promise<StreamReader> {
  const stream = open(token);
  await stream.subscribe(1, topic);
  return stream;
}

const framesOf = (stream: StreamReader) => stream.frames as Frame[];
const eventsOf = (stream: StreamReader) =>
  framesOf(stream).flatMap((frame) =>
    frame.type === 'event' && 'project_id' in frame.event ? [frame.event] : [],
  );
const snapshotsOf = (stream: StreamReader) =>
  framesOf(stream).flatMap((frame) => (frame.type === 'snapshot' ? [frame.data] : []));

function untilEvent(
  stream: StreamReader,
  kind: WorkEvent['kind'],
  isSo: (event: WorkEvent) => boolean = () => true,
) {
  return until(() => eventsOf(stream).find((event) => event.kind === kind && isSo(event)), {
    what: () => `${kind} in ${JSON.stringify(framesOf(stream))}`,
  });
}

/** The code of the refusal of a subscription. */
async function refusal(stream: StreamReader, topics: string[]): Promise<unknown> {
  if (stream.socket.readyState === 0) await stream.answered;
  stream.send({ type: 'subscribe', id: 9, topics });
  return stream.untilFrame((frame) => 'id' in frame && frame.id === 9, 'the answer');
}

/** Also one that was used in the last second. */
async function fallAsleep(name: string): Promise<void> {
  await until(
    () =>
      fathom.client.databases.sleep(name).catch((error: unknown) => {
        if (error instanceof FathomError && error.code === 'conflict') return null;
        throw error;
      }),
    { what: () => `${name} to sleep` },
  );
}

async function untilRunningByUse() {
  await until(async () => (await send('GET', `/projects/${project}`)).status === 200, {
    what: 'an answer',
  });
  return untilRunning(fathom, ann.database.name);
}

it('sends a change on both transports, from one reader of the database', async () => {
  const streams = [await follow(), new StreamReader(fathom, { token: ann.token, tcp: false })] as const;
  onTestFinished(() => streams[1].close());
  await streams[1].subscribe(1, topic);
  const id = await created('/work-items', task({ title: 'both' }));
  for (const stream of streams)
    await until(
      () =>
        stream.frames.some((frame) => frame.type === 'event' && 'id' in frame.event && frame.event.id === id),
      { what: 'the new item' },
    );
});

it('the client of applications follows a project beside the fleet', async () => {
  const client = createFathomClient({ url: fathom.url, token: ann.token });
  const frames: WorkFrame[] = [];
  const snapshots: string[] = [];
  const links: string[] = [];
  const stream = client.openStream({
    topics: ['instances', `work:${project}`],
    onLink: ({ kind }) => links.push(kind),
    onSnapshot: (frame) => snapshots.push(frame.topic),
    onEvent() {},
    onProject: (frame) => frames.push(frame),
  });
  onTestFinished(() => stream.close());
  await until(() => stream.state.kind === 'live', { what: 'the link' });
  const id = await created('/work-items', task({ title: 'größe 🎉' }));
  await until(() => frames.length === 2, { what: 'the new item' });
  expect(snapshots).toEqual(['instances']);
  expect(frames).toMatchObject([
    { type: 'snapshot', seq: 1, data: { phase: 'running' } },
    { type: 'event', seq: 2, event: { kind: 'work_item.created', id, data: { title: 'größe 🎉' } } },
  ]);
});

describe('websocket broadcast', () => {
  it('brings a new item to all streams of its project, and to no other', async () => {
    const second = await created('/projects', { title: 'second' });
    const [one, two, other] = [await follow(), await follow(), open()];
    await other.subscribe(1, `work:${second}`);
    const id = await created('/work-items', task({ title: 'größer 🎉' }));
    const shown = await send('GET', `/work-items/${id}`);
    for (const stream of [one, two]) {
      const event = await untilEvent(stream, 'work_item.created');
      expect(event).toEqual({
        kind: 'work_item.created',
        id,
        project_id: project,
        changed: [],
        actor_id: ann.user.id,
        actor_kind: 'owner',
        at: expect.any(Number) as number,
        data: shown.body,
      });
    }
    await created('/work-items', { item_type: 'task', title: 'task', project_id: second });
    await untilEvent(other, 'work_item.created');
    expect(eventsOf(other)).toHaveLength(1);
    expect(one.sequences(topic)).toEqual([1, 2]);
  });

  it('tells updates, deletions, restorations, and moves, in their order', async () => {
    const stream = await follow();
    const first = await created('/work-items', task());
    const second = await created('/work-items', task());
    await send('PATCH', `/work-items/${second}`, { title: 'other', status: 'todo' });
    await send('POST', `/work-items/${second}/move`, { before_id: first });
    await send('DELETE', `/work-items/${second}`);
    await send('POST', `/work-items/${second}/restore`);
    await untilEvent(stream, 'work_item.restored');
    expect(eventsOf(stream).map(({ kind, id, changed }) => [kind, id, changed])).toEqual([
      ['work_item.created', first, []],
      ['work_item.created', second, []],
      ['work_item.updated', second, ['status', 'title']],
      ['work_item.updated', second, ['rank']],
      ['work_item.deleted', second, []],
      ['work_item.restored', second, []],
    ]);
    expect(eventsOf(stream)[4]?.data).toBeNull();
    expect(eventsOf(stream)[5]?.data).toMatchObject({ id: second, title: 'other' });
  });

  it('tells changes of everything in the project', async () => {
    const stream = await follow();
    const [a, b] = [await created('/work-items', task()), await created('/work-items', task())];
    const sprint = await created('/sprints', { project_id: project, name: 'sprint' });
    await created(`/work-items/${a}/comments`, { body: 'comment' });
    await created('/time-entries/start', { work_item_id: a });
    await created(`/work-items/${a}/dependencies`, { blocked_id: b });
    await created('/llm/contexts', { project_id: project, kind: 'note', title: 'note', content: 'text' });
    await send('POST', `/sprints/${sprint}/start`);
    const lanes = (await send('GET', `/projects/${project}/swim-lanes`)).body['items'] as { id: string }[];
    const { url, token } = ann.database;
    const path = `/api/collections/pm_swim_lanes/records/${lanes[0]?.id}`;
    expect(await call('PATCH', `${url}${path}`, { token, body: { name: 'Next' } })).toMatchObject({
      status: 200,
    });
    await untilEvent(stream, 'swim_lane.updated');
    const found = eventsOf(stream).filter(({ kind }) => !kind.startsWith('work_item'));
    expect(found.map(({ kind, data }) => [kind, data])).toMatchObject([
      ['sprint.created', { id: sprint, name: 'sprint' }],
      ['comment.created', { work_item_id: a, body: 'comment', author: { id: ann.user.id } }],
      ['time_entry.created', { work_item_id: a, ended_at: null }],
      ['dependency.created', { blocker: { id: a }, blocked: { id: b } }],
      ['llm_context.created', { title: 'note' }],
      ['sprint.updated', { status: 'active' }],
      ['swim_lane.updated', { name: 'Next' }],
    ]);
  });

  it('tells what a member changes at the database', async () => {
    const { url, token } = ann.database;
    const member = { email: 'm@example.com', password: PASSWORD, passwordConfirm: PASSWORD, role: 'member' };
    const members = `${url}/api/collections/pm_members`;
    const body = { ...member, name: 'M', is_active: true };
    const { body: added } = await call<Body>('POST', `${members}/records`, { token, body });
    const identity = { identity: member.email, password: PASSWORD };
    const signedIn = await call<Body>('POST', `${members}/auth-with-password`, { body: identity });
    const own = String(signedIn.body['token']);
    const stream = await follow();
    await call('POST', `${url}/api/v1/work-items`, { token: own, body: task() });
    expect(await untilEvent(stream, 'work_item.created')).toMatchObject({
      actor_id: added['id'],
      actor_kind: 'member',
    });
    // It has no session at Fathom.
    expect(await open(own).answered).toBe(401);
  });

  it('sends a new snapshot after more changes together than it reads', async () => {
    const large = await created('/projects', { title: 'large' });
    const sprint = await created('/sprints', { project_id: large, name: 'large' });
    const item = task({ project_id: large, sprint_id: sprint });
    for (let n = 0; n < 110; n += 5)
      await Promise.all(Array.from({ length: 5 }, () => created('/work-items', item)));
    await send('POST', `/sprints/${sprint}/start`);
    const stream = open();
    await stream.subscribe(1, `work:${large}`);
    const path = `/sprints/${sprint}/complete`;
    expect(await send('POST', path, { move_to: null })).toMatchObject({ status: 200 });
    await until(() => snapshotsOf(stream).length === 2, { what: 'another snapshot' });
    expect(stream.sequences(`work:${large}`)).toEqual([1, 2]);
    const id = await created('/work-items', task({ project_id: large }));
    await untilEvent(stream, 'work_item.created', (event) => event.id === id);
  });
});

describe('who may follow', () => {
  it('no other account, and no project that does not exist', async () => {
    for (const [token, id] of [
      [bob.token, project],
      [ann.token, UNKNOWN],
    ] as const)
      expect(await refusal(open(token), [`work:${id}`])).toMatchObject({ type: 'error', code: 'not_found' });
    const item = await created('/work-items', task());
    // The topics before it are followed.
    const [refused, stream] = [`work:${item}`, open()];
    expect(await refusal(stream, [topic, refused])).toMatchObject({ topic: refused, code: 'not_found' });
    const later = await created('/work-items', task());
    await untilEvent(stream, 'work_item.created', (event) => event.id === later);
  });

  it('an API key with the permission', async () => {
    for (const [permissions, type] of [
      [['stream.open', 'work-items.read'], 'ok'],
      [['stream.open'], 'error'],
    ] as const) {
      const { body } = await send('POST', '/api-keys', { name: permissions.join(), permissions });
      expect(await refusal(open(String(body['key'])), [topic])).toMatchObject({ type });
    }
  });

  it('no account without a database, and not the local socket', async () => {
    const { token } = await signIn(fathom.url, fathom.admin.email, fathom.admin.password);
    expect(await refusal(open(token), [topic])).toMatchObject({ code: 'conflict' });
    const local = new StreamReader(fathom);
    onTestFinished(() => local.close());
    expect(await refusal(local, [topic])).toMatchObject({ code: 'conflict' });
  });

  it('not after the end of the session', async () => {
    const { token } = await signIn(fathom.url, 'ann@example.com');
    const { kid, ...header } = decodeProtectedHeader(token);
    const short = await new SignJWT(decodeJwt(token))
      .setProtectedHeader({ ...header, alg: 'HS256', kid: String(kid) })
      .setExpirationTime('4s')
      .sign(new TextEncoder().encode(fathom.env['JWT_SECRET']));
    const stream = await follow(short);
    expect(await stream.closed).toEqual({ code: 1008, reason: 'the session has ended' });
  });

  it.each(['work:', 'work:A', `work:${'a'.repeat(37)}`, 'work:../x', 'work:ä', "work:' OR 1=1"])(
    'not the topic %s',
    async (odd) => {
      expect(await refusal(open(), [odd])).toMatchObject({ type: 'error', code: 'request.invalid' });
    },
  );

  it('no more projects than a stream may', async () => {
    await fallAsleep(ann.database.name);
    const stream = open();
    const topics = Array.from({ length: 201 }, (_, at) => `work:${at}`);
    for (let at = 0; at < 192; at += 64) await stream.subscribe(at, ...topics.slice(at, at + 64));
    expect(await refusal(stream, topics.slice(192))).toMatchObject({ code: 'conflict' });
    expect((await instance(fathom, ann.database.name)).phase).toBe('asleep');
  });
});

describe('a database that does not run', () => {
  it('is neither woken nor kept awake by a subscription, and loses no change', async () => {
    const { name } = ann.database;
    await untilRunningByUse();
    const early = await follow();
    await fallAsleep(name);
    const late = await follow();
    const lost = open();
    await lost.subscribe(1, `work:${UNKNOWN}`);
    expect(snapshotsOf(late)).toEqual([{ phase: 'asleep' }]);
    expect((await instance(fathom, name)).phase).toBe('asleep');
    const id = await created('/work-items', task());
    await untilEvent(early, 'work_item.created', (event) => event.id === id);
    expect(early.sequences(topic)).toEqual([1, 2]);
    await until(() => snapshotsOf(late).length === 2, { what: 'the snapshot of the running database' });
    expect(snapshotsOf(late)[1]).toEqual({ phase: 'running' });
    const next = await created('/work-items', task());
    await untilEvent(late, 'work_item.created', (event) => event.id === next);
    const ended = await lost.untilFrame((frame) => frame.type === 'error', 'the end');
    expect(ended).toMatchObject({ id: null, topic: `work:${UNKNOWN}`, code: 'not_found' });
    await fallAsleep(name);
  });

  it('goes on after a crash', async () => {
    const before = await untilRunningByUse();
    const stream = await follow();
    kill(before.pid, 'SIGKILL');
    await untilReplaced(fathom, before);
    const id = await created('/work-items', task());
    await untilEvent(stream, 'work_item.created', (event) => event.id === id);
    expect(stream.sequences(topic)).toEqual([1, 2]);
  });

  it('goes on after a restart of the daemon, with a new snapshot', async () => {
    const stream = await follow();
    await daemon.stop();
    expect((await stream.closed).code).toBe(1001);
    daemon = await fathom.start();
    await untilRunningByUse();
    const next = await follow();
    expect(snapshotsOf(next)).toEqual([{ phase: 'running' }]);
    const id = await created('/work-items', task());
    await untilEvent(next, 'work_item.created', (event) => event.id === id);
  });

  it('sends a new snapshot after a restore', async () => {
    const { name } = ann.database;
    const { id } = await backUp(fathom, name);
    await created('/work-items', task());
    const stream = await follow();
    const argv = ['backups', 'restore', name, '--backup', id, '--yes', '--socket', fathom.socketPath];
    expect(await runInProcess(argv, { cwd: fathom.dataDir })).toMatchObject({ code: 0 });
    await until(() => snapshotsOf(stream).length === 2, { what: 'another snapshot' });
    const next = await created('/work-items', task());
    await untilEvent(stream, 'work_item.created', (event) => event.id === next);
  });

  it('ends with the database', async () => {
    const dora = await signUp(fathom.url, 'dora@example.com');
    const own = await created('/projects', { title: 'own' }, dora.token);
    const stream = open(dora.token);
    await stream.subscribe(1, `work:${own}`);
    await fathom.client.databases.delete(dora.database.name);
    const ended = await stream.untilFrame((frame) => frame.type === 'error', 'the end');
    expect(ended).toMatchObject({ id: null, topic: `work:${own}`, code: 'not_found' });
  });
});

it('names the application that is missing', async () => {
  await daemon.stop();
  daemon = await fathom.start({ FATHOM_APPS: 'documents' });
  const eve = await signUp(fathom.url, 'eve@example.com');
  await call('GET', `${eve.database.url}/api/health`);
  await untilInstance(fathom, eve.database.name, ({ phase }) => phase === 'running', 'to run');
  expect(await refusal(open(eve.token), [topic])).toMatchObject({ code: 'application.missing' });
});
