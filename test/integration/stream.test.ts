import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Instance } from '../../shared/api/instances.ts';
import type { ServerFrame } from '../../shared/server-frames.ts';
import { instance, kill, signUp, untilReplaced } from '../helpers/fleet-actions.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { type StreamOptions, StreamReader } from '../helpers/stream-reader.ts';
import { until } from '../helpers/until.ts';

const ORIGIN = 'https://app.example.com';
const shared = sharedDeployment({ CORS_ORIGINS: ORIGIN });

function open(options: StreamOptions = {}): StreamReader {
  const stream = new StreamReader(shared.fathom, options);
  onTestFinished(() => stream.close());
  return stream;
}

const isSnapshotOf = (topic: string) => (frame: ServerFrame) =>
  frame.type === 'snapshot' && frame.topic === topic;
const isAnswerTo = (id: number | null) => (frame: ServerFrame) => 'id' in frame && frame.id === id;

function expectNoGap(sequences: number[]): void {
  expect(sequences.length).toBeGreaterThan(0);
  expect(sequences).toEqual(sequences.map((_, index) => (sequences[0] ?? 0) + index));
}

const logFile = (name: string) => join(shared.fathom.dataDir, 'logs', 'instances', `${name}.log`);

describe('who may connect', () => {
  it('a caller with a session token, or a ticket, which opens once', async () => {
    const { fathom } = shared;
    const { token } = await signUp(fathom);
    const byHeader = open({ token });
    expect(await byHeader.answered).toBe(101);
    expect(byHeader.socket.protocol).toBe('fathom.v1');

    const response = await fetch(`${fathom.url}/api/v1/ws-ticket`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
    const { ticket } = (await response.json()) as { ticket: string };
    const byTicket = open({ ticket });
    expect(await byTicket.answered).toBe(101);
    expect(await open({ ticket }).answered).toBe(401);
    await byTicket.subscribe(1, 'instances');
  });

  it('nobody else: no token, a wrong one, one in the URL, a foreign origin', async () => {
    const { token } = await signUp(shared.fathom);
    expect(await open({ tcp: true }).answered).toBe(401);
    expect(await open({ token: `${token}x` }).answered).toBe(401);
    expect(await open({ ticket: token }).answered).toBe(401);
    expect(await open({ token, origin: 'https://evil.example.com' }).answered).toBe(403);
    expect(await open({ token, origin: ORIGIN }).answered).toBe(101);
    // The own page, and one on another port of this host.
    expect(await open({ token, origin: shared.fathom.url }).answered).toBe(101);
    expect(await open({ token, origin: 'http://127.0.0.1:1' }).answered).toBe(403);
  });

  it('for as long as the session lasts', async () => {
    const { fathom } = shared;
    const own = await signUp(fathom);
    // The same session, with an end that a test can wait for.
    const { kid, ...header } = decodeProtectedHeader(own.token);
    const token = await new SignJWT(decodeJwt(own.token))
      .setProtectedHeader({ ...header, alg: 'HS256', kid: String(kid) })
      .setExpirationTime('4s')
      .sign(new TextEncoder().encode(fathom.env['JWT_SECRET']));
    const stream = open({ token });
    await stream.subscribe(1, 'instances');
    expect(await stream.closed).toEqual({ code: 1008, reason: 'the session has ended' });
  });
});

describe('what a reader receives', () => {
  it('a user sees the own database alone, an administrator all', async () => {
    const { fathom } = shared;
    const [mine, theirs] = [await signUp(fathom), await signUp(fathom)];
    const [user, admin] = [open({ token: mine.token }), open()];
    await Promise.all([user.subscribe(1, 'instances', 'health'), admin.subscribe(1, 'instances')]);

    user.send({ type: 'subscribe', id: 2, topics: [`logs:${theirs.name}`] });
    expect(await user.untilFrame(isAnswerTo(2), 'an answer')).toMatchObject({
      type: 'error',
      code: 'not_found',
    });
    user.send({ type: 'subscribe', id: 3, topics: ['logs:global'] });
    expect(await user.untilFrame(isAnswerTo(3), 'an answer')).toMatchObject({
      type: 'error',
      code: 'not_found',
    });

    const before = await instance(fathom, theirs.name);
    kill(before.pid, 'SIGKILL');
    await untilReplaced(fathom, before);
    const own = await instance(fathom, mine.name);
    kill(own.pid, 'SIGKILL');
    await untilReplaced(fathom, own);
    await until(
      () =>
        user.events('instances').some((event) => event.kind === 'instance.phase' && event.to === 'running'),
      {
        what: 'the own database to run again',
      },
    );

    const names = (stream: StreamReader) => {
      const snapshot = stream.frames.find(isSnapshotOf('instances')) as { data: Instance[] } | undefined;
      return snapshot?.data.map(({ name }) => name) ?? [];
    };
    expect(names(user)).toEqual([mine.name]);
    expect(names(admin)).toEqual(expect.arrayContaining(['global', mine.name, theirs.name]));
    const received = user.frames.filter(({ type }) => type === 'snapshot' || type === 'event');
    expect(JSON.stringify(received).includes(theirs.name)).toBe(false);
    expect(user.frames.find(isSnapshotOf('health'))).toMatchObject({
      data: { daemon: null, instances: { [mine.name]: expect.anything() }, rollout: null },
    });
    expectNoGap(user.sequences('instances'));
    expectNoGap(admin.sequences('instances'));
  });

  it('a snapshot, then what happened since, without a gap; asked again, a fresh snapshot', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    const stream = open();
    await stream.subscribe(1, 'instances');
    await fathom.client.databases.restart(tenant.name);
    await stream.subscribe(2, 'instances');
    await fathom.client.databases.stop(tenant.name);
    await until(
      () =>
        stream.events('instances').some((event) => event.kind === 'instance.phase' && event.to === 'stopped'),
      { what: 'the stop' },
    );
    expectNoGap(stream.sequences('instances'));
    const snapshots = stream.frames.filter(isSnapshotOf('instances')) as { data: Instance[] }[];
    expect(snapshots).toHaveLength(2);
    // Applied in order, the events lead from the snapshot to what is.
    const state = new Map(snapshots[1]?.data.map((each) => [each.name, each]));
    const from = stream.frames.indexOf(snapshots[1] as ServerFrame);
    for (const frame of stream.frames.slice(from)) {
      if (frame.type !== 'event' || !('instance' in frame.event)) continue;
      state.set(frame.event.instance.name, frame.event.instance);
    }
    expect(state.get(tenant.name)).toMatchObject({ phase: 'stopped', desired: 'stopped', pid: null });
  });

  it('a database that is made or deleted appears and disappears', async () => {
    const { fathom } = shared;
    const stream = open();
    await stream.subscribe(1, 'instances');
    const tenant = await signUp(fathom);
    await fathom.client.databases.delete(tenant.name);
    await until(() => stream.events('instances').some(({ kind }) => kind === 'instance.removed'), {
      what: 'the removal',
    });
    const received = stream.events('instances');
    expect(
      received.some((event) => event.kind === 'instance.added' && event.instance.name === tenant.name),
    ).toBe(true);
    expect(received.at(-1)).toEqual({ kind: 'instance.removed', name: tenant.name });
  });

  it('nothing more of what it no longer wants', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    const [stream, witness] = [open(), open()];
    await stream.subscribe(1, 'instances');
    await witness.subscribe(1, 'instances');
    stream.send({ type: 'unsubscribe', id: 2, topics: ['instances'] });
    await stream.untilFrame(isAnswerTo(2), 'an answer');
    const count = stream.frames.length;
    await fathom.client.databases.restart(tenant.name);
    await until(() => witness.events('instances').length > 3, { what: 'the others to be published' });
    stream.send({ type: 'ping', id: 3 });
    await stream.untilFrame(isAnswerTo(3), 'a pong');
    expect(stream.frames.slice(count)).toEqual([{ type: 'pong', id: 3 }]);
  });

  it('the tail of a log, then its lines, a burst included, none lost', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    const topic = `logs:${tenant.name}`;
    const stream = open({ token: tenant.token });
    await stream.subscribe(1, topic);
    const snapshot = stream.frames.find(isSnapshotOf(topic)) as { data: { text: string }[] } | undefined;
    expect(snapshot?.data.map(({ text }) => text).join('\n')).toContain('Server started at');

    const lines = () =>
      stream.events(topic).flatMap((event) => (event.kind === 'log.line' ? [event.line.text] : []));
    await fathom.client.databases.restart(tenant.name);
    // The last line that it prints by itself.
    await until(() => lines().some((text) => text.includes('Dashboard:')), { what: 'its own new lines' });
    const before = lines().length;
    const burst = Array.from({ length: 30_000 }, (_, index) => `burst line ${index}`);
    await appendFile(logFile(tenant.name), `${burst.join('\n')}\n`);
    await until(() => lines().length >= before + burst.length, { what: 'the burst' });
    expect(lines().slice(before)).toEqual(burst);
    expectNoGap(stream.sequences(topic));
  });
});

describe('frames of a client', () => {
  it('a ping is answered, and what is no frame is an error that names its id, never the end', async () => {
    const stream = open();
    await stream.answered;
    const answered = async (frame: unknown, id: number | null) => {
      const from = stream.frames.length;
      stream.send(frame);
      return stream.untilFrame(isAnswerTo(id), `id ${id}`, { from });
    };
    expect(await answered({ type: 'ping', id: 1 }, 1)).toEqual({ type: 'pong', id: 1 });
    const invalid = { type: 'error', topic: null, code: 'request.invalid' };
    expect(await answered('not json', null)).toMatchObject(invalid);
    expect(await answered(Buffer.from([1, 2, 3]), null)).toMatchObject(invalid);
    expect(await answered('[]', null)).toMatchObject(invalid);
    expect(await answered({ type: 'subscribe', id: 2, topics: [] }, 2)).toMatchObject(invalid);
    expect(await answered({ type: 'subscribe', id: 3, topics: ['nope'] }, 3)).toMatchObject({
      ...invalid,
      message:
        'not a frame of this protocol: topics.0: Must be instances, queue, health, audit, logs:NAME or work:ID.',
    });
    expect(await answered({ type: 'dance', id: 4 }, 4)).toMatchObject(invalid);
    expect(await answered({ type: 'ping', id: 5, more: 1 }, 5)).toMatchObject(invalid);
    expect(await answered({ type: 'ping', id: { a: 1 } }, null)).toMatchObject(invalid);
    const unknown = { type: 'subscribe', id: 6, topics: ['logs:../../etc/passwd'] };
    expect(await answered(unknown, 6)).toMatchObject({ topic: unknown.topics[0], code: 'not_found' });
    expect(await answered({ type: 'ping', id: 7 }, 7)).toEqual({ type: 'pong', id: 7 });
  });

  it('one of more than 64 KiB ends the connection with 1009', async () => {
    const stream = open();
    await stream.answered;
    stream.send(`{"type": "ping", "id": "${'x'.repeat(64 * 1024)}"}`);
    expect(await stream.closed).toMatchObject({ code: 1009 });
    // The daemon is none the worse for it.
    await open().subscribe(1, 'health');
  });
});

describe('a reader that does not read', () => {
  it('is closed with 1013 while the memory of the daemon stays as it is', async () => {
    const { fathom } = shared;
    await signUp(fathom);
    const { pid } = await fathom.client.daemon.status();
    const rss = async () =>
      Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
    const slow = open();
    await slow.subscribe(1, 'instances');
    const before = await rss();
    slow.socket.pause();
    // Each asks for about 100 KB and more; all of them together for far more than may wait.
    const topics = Array.from({ length: 64 }, () => 'instances');
    for (let id = 2; id < 1_000; id += 1) slow.send({ type: 'subscribe', id, topics });
    const prompt = open();
    await prompt.subscribe(1, 'instances');
    expect((await rss()) - before).toBeLessThan(120);
    slow.socket.resume();
    expect(await slow.closed).toEqual({ code: 1013, reason: 'too slow; connect again' });
    await open().subscribe(1, 'instances');
  });

  it('a log waits in its file for one that is slow, which gets every line in the end', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom);
    const topic = `logs:${tenant.name}`;
    const slow = open();
    await slow.subscribe(1, topic);
    slow.socket.pause();
    const text = 'x'.repeat(200);
    const burst = Array.from({ length: 40_000 }, (_, index) => `${index} ${text}`);
    await appendFile(logFile(tenant.name), `${burst.join('\n')}\n`);
    const prompt = open();
    await prompt.subscribe(1, 'health');
    await prompt.untilFrame((frame) => frame.type === 'event', 'a reading');
    slow.socket.resume();
    await until(() => slow.events(topic).length >= burst.length, { what: 'every line' });
    const texts = slow.events(topic).flatMap((event) => (event.kind === 'log.line' ? [event.line.text] : []));
    expect(texts).toEqual(burst);
  });
});
