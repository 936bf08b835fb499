import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { signWebhook } from '../../daemon/base/webhook.ts';
import { destroyHost } from '../helpers/destroyed-host.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { signUp } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { listening } from '../helpers/listening.ts';
import { scratch } from '../helpers/scratch.ts';
import { until } from '../helpers/until.ts';

const KEY = randomBytes(32);
const TOKEN = 'a-token-in-the-path';

interface Event {
  id: string;
  type: string;
  timestamp: string;
  data: Record<string, string>;
}

async function receiver(answer: (response: ServerResponse, event: Event) => void) {
  const events: Event[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const body = (await buffer(request)).toString();
      const event = JSON.parse(body) as Event;
      const id = String(request.headers['webhook-id']);
      const timestampS = Number(request.headers['webhook-timestamp']);
      const signature = request.headers['webhook-signature'];
      if (id !== event.id || signature !== signWebhook({ id, timestampS, body }, KEY)) {
        response.writeHead(401).end();
        return;
      }
      events.push(event);
      answer(response, event);
    })();
  });
  const settings = {
    EVENT_WEBHOOK_URL: `${await listening(server)}/${TOKEN}`,
    EVENT_WEBHOOK_SECRET: `whsec_${KEY.toString('base64')}`,
    QUEUE_POLL_INTERVAL: '1',
  };
  return { settings, events };
}

const accept = (response: ServerResponse) => response.writeHead(204).end();

it('events of a user and its database arrive, signed, without data of the person', async () => {
  const { settings, events } = await receiver(accept);
  const fathom = await deployment({ ...settings, DATABASE_TRASH_DAYS: '1' });
  const daemon = await fathom.start();
  const { userId, name, email } = await signUp(fathom, 'ann');
  const of = (type: string) => events.find((event) => event.type === type && event.data['user'] === userId);
  const arrival = (type: string) => until(() => of(type), { what: `the event ${type}` });

  expect(await arrival('user.created')).toMatchObject({ data: { user: userId, role: 'user' } });
  expect(await arrival('database.ready')).toMatchObject({ data: { user: userId, database: name } });
  await fathom.client.databases.delete(name);
  await arrival('database.deleted');
  await fathom.client.trash.undelete(name);
  await arrival('database.undeleted');
  await fathom.client.users.delete(userId);
  await until(() => events.filter(({ type }) => type === 'database.deleted').length > 1, {
    what: 'the second deletion',
  });
  await fathom.client.trash.erase(name);
  expect(await arrival('database.erased')).toMatchObject({ data: { database: name } });
  await arrival('user.deleted');

  expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  for (const { timestamp } of events) expect(Date.parse(timestamp)).not.toBeNaN();
  expect(JSON.stringify(events)).not.toContain(email);
  expect(daemon.output() + JSON.stringify(await fathom.client.queue.list())).not.toContain(TOKEN);
});

it('restores of a database, of an archive and of a host are events with the time of the data', async () => {
  const { settings, events } = await receiver(accept);
  const fathom = await deployment(settings);
  const daemon = await fathom.start();
  const { userId: user, name: database } = await signUp(fathom, 'ann');
  const restored = (count: number) =>
    until(
      () => {
        const found = events.filter(({ type }) => type === 'database.restored');
        return found.length === count ? found.at(-1)?.data : undefined;
      },
      { what: `${count} restores` },
    );
  const { id: backup, created_at: restored_to } = await fathom.client.backups.create(database);
  await fathom.client.backups.restore(database, backup);
  expect(await restored(1)).toEqual({ database, user, backup, restored_to });
  await expect(fathom.client.backups.restore(database, 'none')).rejects.toMatchObject({ code: 'not_found' });

  const file = join(await scratch(), 'archive.tar');
  await writeFile(file, Readable.from(await fathom.client.exports.backup(database, backup)));
  const imported = await fathom.client.imports.archive(user, { file });
  expect(await restored(2)).toEqual({ database: imported.database, user, backup, restored_to });

  const { restoreCommand } = await destroyHost(fathom, daemon);
  const command = await fathomd(restoreCommand, { env: fathom.env });
  expect(command.exitCode, command.stderr).toBe(0);
  await fathom.start();
  const ofHost = await restored(3);
  expect(ofHost).toMatchObject({ database, user });
  // The last backup, which `destroyHost` made.
  expect(ofHost['backup']).not.toBe(backup);
  expect(Date.parse(ofHost['restored_to'] ?? '')).toBeGreaterThan(Date.parse(restored_to));
}, 120_000);

it('an event is delivered after a kill of the daemon, with the same id, and not again', async () => {
  let isOpen = false;
  const { settings, events } = await receiver((response) => {
    // Without an answer, the delivery is under way when the daemon is killed.
    if (isOpen) accept(response);
  });
  const fathom = await deployment(settings);
  const daemon = await fathom.start();
  const { userId } = await signUp(fathom, 'bob');
  const created = () => events.filter(({ type, data }) => type === 'user.created' && data['user'] === userId);
  await until(() => created().length > 0, { what: 'the first attempt' });
  daemon.signal('SIGKILL');
  await daemon.exited;
  isOpen = true;
  await fathom.start();
  // The lease of the killed worker has to expire.
  await until(() => created().length > 1, { what: 'the second attempt', timeoutMs: 90_000 });
  await until(() => events.some(({ type, data }) => type === 'database.ready' && data['user'] === userId), {
    what: 'the other event',
    timeoutMs: 90_000,
  });
  expect(new Set(created().map(({ id }) => id)).size).toBe(1);
  expect(created()).toHaveLength(2);
  const { items } = await fathom.client.queue.list({ type: 'webhook.send' });
  expect(items.filter(({ status }) => !['done', 'processing'].includes(status))).toEqual([]);
}, 180_000);

it('an event that a busy receiver refuses is sent again after the time that it asks for', async () => {
  const { settings, events } = await receiver((response, { data }) => {
    response.writeHead(429, { 'retry-after': data['wait'] ?? '' }).end();
  });
  const fathom = await deployment(settings);
  await fathom.start();
  for (const [wait, seconds] of [
    ['7200', 7_200],
    ['900000', 86_400],
  ] as const) {
    const payload = { type: 'invoice.paid', timestamp: '2026-01-15T10:00:00Z', data: { wait } };
    const { id } = await fathom.client.queue.add({ type: 'webhook.send', payload });
    const task = await until(
      async () => {
        const found = await fathom.client.queue.get(id);
        return found.status === 'pending' && found.attempts === 1 ? found : null;
      },
      { what: 'the second attempt to be planned' },
    );
    expect(task.last_error).toContain('answered 429');
    const waitS = (Date.parse(task.run_at ?? '') - Date.parse(task.updated)) / 1000;
    expect(Math.round(waitS)).toBe(seconds);
  }
  expect(events).toHaveLength(2);
});

it('an event that is refused is a dead letter in the end, and no event is recorded without a URL', async () => {
  const { settings, events } = await receiver((response) => response.writeHead(302, { location: '/' }).end());
  const fathom = await deployment({ QUEUE_POLL_INTERVAL: '1' });
  const first = await fathom.start();
  await signUp(fathom, 'carl');
  expect((await fathom.client.queue.list({ type: 'webhook.send' })).total).toBe(0);
  await first.stop();

  await fathom.start(settings);
  const event = { type: 'invoice.paid', timestamp: '2026-01-15T10:00:00Z', data: { total: 5 } };
  const { id } = await fathom.client.queue.add({ type: 'webhook.send', payload: event, max_attempts: 1 });
  const dead = await until(
    async () => {
      const task = await fathom.client.queue.get(id);
      return task.status === 'dead' ? task : null;
    },
    { what: 'the dead letter' },
  );
  expect(events).toEqual([{ id, ...event }]);
  expect(JSON.stringify(dead)).toContain('redirects are not followed');
  expect(JSON.stringify(dead)).not.toContain(TOKEN);
});
