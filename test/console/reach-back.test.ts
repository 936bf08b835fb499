import { beforeAll, describe, expect, it } from 'vitest';
import { signUp, type Tenant } from '../helpers/fleet-actions.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { auditEntry } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';

const shared = sharedDeployment();

describe('moving past the end', () => {
  let quiet: Tenant;

  // More than a list shows at first: 251 tasks, of which the oldest is of another type, after a sign-up and a stop.
  beforeAll(async () => {
    const { fathom } = shared;
    quiet = await signUp(fathom, 'quiet');
    await fathom.client.databases.stop(quiet.name);
    await fathom.client.queue.pause();
    await fathom.client.queue.add({ type: 'the.oldest', payload: {} });
    for (let made = 0; made < 250; made += 10) {
      const add = () => fathom.client.queue.add({ type: 'one.of.many', payload: {} });
      await Promise.all(Array.from({ length: 10 }, add));
    }
  });

  it('reads older tasks and keeps the place', async () => {
    const screen = open({ socketPath: shared.fathom.socketPath }, { columns: 120, rows: 30 });
    await screen.shows('● live', '‖ paused  251 pending', '251 tasks');
    screen.press('3', 'tab');
    // Recent tasks are on the screen before the pending ones are loaded.
    await screen.loads('tasks');
    await screen.shows('1/200+', 'one.of.many');
    screen.press('G');
    await screen.shows('200/200+');
    screen.press('j');
    await screen.shows('200/251 ');
    screen.press('G');
    await screen.shows('251/251 ', 'the.oldest');
    screen.press('j');
    await screen.notices();

    // What changes last is known from the stream; what was before is asked for.
    screen.press('3');
    await screen.shows('1/200+');
    screen.press('/', 'the.oldest', 'enter');
    await screen.shows(' ↓ ');
    screen.press('j');
    await screen.shows('1/1 ', /the\.oldest .*pending/);
  });

  it('reads older entries of the audit log, and those of one instance however much happened elsewhere', async () => {
    const { fathom } = shared;
    const screen = open({ socketPath: fathom.socketPath }, { columns: 120, rows: 30 });
    await screen.shows('● live', '● ready');
    screen.press('6', 'left');
    await screen.shows('task.create', '1/200+');
    screen.press('G', 'j');
    await screen.shows(/200\/25\d /);
    screen.press('G');
    await screen.shows('queue.pause', 'sign-up');

    screen.press('2', 'g', 'enter');
    await screen.shows('Summary', quiet.email);
    screen.press('left', 'left', 'left', 'left');
    await screen.shows('database.stop', 'stopping → stopped', 'added');
    screen.press('G', 'j');
    await screen.notices();
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
    await screen.notices();
    await screen.shows('300/300+');
    expect(screen.console.ui.get().limits).toEqual({});
  });
});
