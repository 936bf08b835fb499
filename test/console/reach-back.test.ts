import { describe, it } from 'vitest';
import { untilInstance } from '../helpers/fleet-actions.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { until } from '../helpers/until.ts';
import { auditEntry } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';

const shared = sharedDeployment();
const MANY = 450;

/** So many that no list shows them all at first; the last one is of another type. */
async function enqueueMany(): Promise<void> {
  const { queue } = shared.fathom.client;
  await queue.pause();
  await queue.add({ type: 'the.oldest', payload: {} });
  for (let made = 1; made < MANY; made += 10) {
    await Promise.all(Array.from({ length: 10 }, () => queue.add({ type: 'one.of.many', payload: {} })));
  }
}

describe('moving past the end', () => {
  it('reads older tasks and older entries of the audit log, and keeps the place', async () => {
    const { fathom } = shared;
    await enqueueMany();
    const screen = open({ socketPath: fathom.socketPath }, { columns: 120, rows: 30 });
    await screen.shows('● live', '● ready', '‖ paused  451 pending', 'is paused, 451 tasks waiting');
    screen.press('3', 'tab');
    await screen.shows('1/200+', 'one.of.many');
    screen.press('G');
    await screen.shows('200/200+');
    screen.press('j');
    await screen.shows('200/400+');
    screen.press('G', 'G');
    await screen.shows(/400\/45\d /);
    screen.press('G');
    await screen.shows(/(45\d)\/\1 /, 'the.oldest');
    screen.press('j');
    await screen.shows('That is all: there are no older ones.');

    // What changes last is known from the stream; what was before is asked for.
    screen.press('3');
    await screen.shows('1/200+');
    screen.press('/', 'the.oldest', 'enter');
    await screen.shows('Nothing matches the filter among the latest. ↓ looks further back');
    const isFound = () => /the\.oldest .*pending/.test(screen.text);
    const look = () => {
      if (!isFound()) screen.press('j');
      return isFound();
    };
    await until(look, { what: () => `the oldest task:\n${screen.text}` });

    screen.press('6', 'left');
    await screen.shows('task.create', '1/200+');
    screen.press('G', 'j');
    await screen.shows('200/400+');
    screen.press('G', 'j');
    await screen.shows(/400\/4\d\d /);
    screen.press('G');
    await screen.shows('queue.pause');
  });

  it('reads what happened to one instance apart, however much happened elsewhere', async () => {
    const { fathom } = shared;
    const { database } = await fathom.client.auth.register({
      email: 'quiet@example.com',
      password: 'a-good-password',
    });
    if (database === null) throw new Error('a user is given a database');
    await fathom.client.databases.stop(database.name);
    await untilInstance(fathom, database.name, ({ phase }) => phase === 'stopped', 'to be stopped');
    const screen = open({ socketPath: fathom.socketPath }, { columns: 120, rows: 30 });
    for (let made = 0; made < 100; made += 10) {
      await Promise.all(Array.from({ length: 10 }, () => fathom.client.queue.resume()));
    }
    await screen.shows('● live', '● ready');
    screen.press('2', '/', 'quiet', 'enter', 'enter');
    await screen.shows('Summary', 'quiet@example.com');
    screen.press('left', 'left');
    // Older than the hundred that the stream begins with.
    await screen.shows('database.stop', 'stopping → stopped', 'added');
    screen.press('G', 'j');
    await screen.shows('That is all');
  });

  it('waits for the link', async () => {
    const stub = await daemon();
    stub.answers.set('/api/v1/events', { items: [] });
    stub.audit = Array.from({ length: 300 }, (_, index) => auditEntry(index + 1));
    const screen = open({ url: stub.url });
    await screen.shows('● live');
    screen.press('6', 'left');
    await screen.shows('1/300+');
    screen.press('G');
    await screen.shows('300/300+');
    await stub.close();
    await screen.shows('▲ stale');
    screen.press('j');
    await screen.shows('Older ones are read when the daemon answers again.', '300/300+');
  });
});
