import { describe, expect, it } from 'vitest';
import { kill, ownerOf, signUp, signUpMany, untilInstance } from '../helpers/fleet-actions.ts';
import { sharedDeployment } from '../helpers/harness.ts';
import { TEST_TASKS } from '../helpers/queue.ts';
import { until } from '../helpers/until.ts';
import { openConsole } from './journey-stage.ts';
import { hasTmux } from './tmux-terminal.ts';

const shared = sharedDeployment({ FATHOM_TASKS_DIR: TEST_TASKS });

describe.skipIf(!hasTmux())('the console on a real fleet', () => {
  it('shows a sign-up, why a killed instance died and that it is back, and stops it after a question', async () => {
    const { fathom } = shared;
    const terminal = await openConsole(fathom);
    await terminal.shows('● live', '● ready');
    await terminal.press('2');
    await terminal.shows('1 instance ', 'global');

    const { name, email } = await signUp(fathom, 'journey');
    await terminal.shows('2 instances', email, `● ${name}`);
    const before = await untilInstance(fathom, name, ({ pid }) => pid !== null, 'to run');
    kill(before.pid, 'SIGKILL');
    await terminal.shows(/journey.* running again, died \d+ s ago · SIGKILL · restart 1/);

    // The event is found later as well.
    await terminal.press('g', 'Enter', 'Left', 'Left', 'Left', 'Left');
    await terminal.shows('Events', /running → queued +fathomd +SIGKILL · killed by SIGKILL/);
    await terminal.press('Left');
    await terminal.shows('Probes', '0 failed', '● ok');
    await terminal.press('Escape');
    await terminal.shows('2 instances');

    await terminal.press('g', 'x');
    await terminal.shows('Stop?', 'y stop', `stop ${name}`);
    await terminal.press('y');
    await terminal.shows(`✓ stopped ${name}`, `○ ${name}`);
    expect((await fathom.client.databases.get(name)).phase).toBe('stopped');
    await terminal.press('s');
    await terminal.shows(`✓ started ${name}`, `● ${name}`);

    await terminal.press('l');
    // Each of its runs, also those that began before the console was connected.
    await terminal.shows(
      'following',
      new RegExp(
        ['run 1 starts · pid \\d+', `run 2 starts · pid \\d+ · .*SIGKILL`, 'run 3 starts · pid \\d+'].join(
          '[^]*Server started at[^]*',
        ),
      ),
    );
    await terminal.press('q');
    await terminal.shows('exit=0');
    expect(await terminal.state()).toEqual({ alternate: false, cursor: true, mouse: false, raw: false });
  });

  it('restarts the five that are marked, and no other', async () => {
    const { fathom } = shared;
    const tenants = await signUpMany(fathom, 6);
    const instances = async () =>
      new Map((await fathom.client.databases.all()).map((one) => [one.name, one.pid]));
    const before = await instances();
    const terminal = await openConsole(fathom);
    await terminal.shows('● live');
    // All of them but the one from before.
    await terminal.press('2', '/');
    await terminal.type('user- !journey');
    await terminal.press('Enter');
    await terminal.shows('6 shown', '1/6');
    await terminal.press('Space', 'Space', 'Space', 'Space', 'Space', 'r');
    await terminal.shows(
      '5 marked',
      'Restart?',
      'y restart',
      /restart 5 instances, about \d+ s, four at a time/,
    );
    await terminal.press('y');
    await terminal.shows('✓ restarted 5 instances');
    const after = await instances();
    const changed = [...before].filter(([name, pid]) => after.get(name) !== pid).map(([name]) => name);
    const marked = tenants.map(({ name }) => name).toSorted();
    expect(changed.toSorted()).toEqual(marked.slice(0, 5));
    await terminal.press('6');
    await terminal.shows(/database\.restart +2.* ok +local/);
  });

  it('browses the records of a database down to one of them, without what is secret', async () => {
    const { fathom } = shared;
    const tenant = await signUp(fathom, 'browsed');
    const owner = await ownerOf(fathom, tenant);
    for (let number = 1; number <= 51; number += 1) {
      await owner
        .collection('documents')
        .create({ title: `note ${number}`, data: { 日本: `\u009B2J🚀 ${number}` } });
    }
    const terminal = await openConsole(fathom);
    await terminal.shows('● live');
    await terminal.press('5', '/');
    await terminal.type('browsed');
    await terminal.press('Enter', 'Enter');
    await terminal.shows('COLLECTION', /documents +base +51/);
    await terminal.press('Enter');
    await terminal.shows('51 records, page 1 of 2', 'note 51');
    await terminal.press('>');
    await terminal.shows('page 2 of 2', 'note 1 ');
    await terminal.press('Enter');
    await terminal.shows('"title": "note 1"', '"日本": "🚀 1"');
    // One at a time: several at once are no keys of a person, and arrive as one.
    await terminal.press('Escape');
    await terminal.shows('page 2 of 2');
    await terminal.press('Escape');
    await terminal.shows('COLLECTION');
    await terminal.press('j', 'Enter');
    await terminal.shows('› users', tenant.email);
    await terminal.press('Enter');
    const record = await terminal.shows(`"email": "${tenant.email}"`);
    expect(record).not.toMatch(/tokenKey|\$2a\$/);
    const copied = `bin/fathomd databases records ${tenant.name} users --page 1 --json --socket ${shared.fathom.socketPath}`;
    await terminal.press('y');
    await terminal.shows('Copy');
    await terminal.press('c');
    await terminal.shows('fathomd databases');
    expect(await terminal.clipboard()).toBe(copied);
  });

  it('follows a failing task until it is dead, and retries it with all of its kind', async () => {
    const { fathom } = shared;
    const { userId, name } = await signUp(fathom, 'tasks');
    const terminal = await openConsole(fathom);
    await terminal.shows('● live');
    await terminal.press('3');
    await terminal.shows('▸ running', 'Pending 0', 'Dead 0');
    const { id } = await fathom.client.queue.add({
      type: 'misbehave',
      payload: { way: 'throws' },
      user_id: userId,
      max_attempts: 2,
    });
    await terminal.shows(/misbehave .*✗ dead +2\/2/, 'Dead 1');
    await terminal.press('Left');
    await terminal.shows('misbehave: it broke after # steps');
    await terminal.press('r');
    await terminal.shows(
      'Retry?',
      'y retry',
      'retry 1 dead task with the error “misbehave: it broke after # steps”',
    );
    await terminal.press('y');
    await terminal.shows('✓ retried 1 dead task');
    await until(async () => ((await fathom.client.queue.get(id)).errors ?? []).length === 4, {
      what: 'two more attempts',
    });
    await terminal.press('3');
    // All that there are: no + behind the count.
    await terminal.shows(/misbehave .*✗ dead +2\/2/, /1\/1$/m);
    await terminal.press('Enter');
    const shown = await terminal.shows('"way": "throws"', /(?:✗ \d {2}\d\d:[\s\S]*){4}/);
    // Of each time: the pause between its two attempts may be too short to be seen as it goes on.
    expect([...shown.matchAll(/✗ (\d) {2}\d\d:/g)].map(([, attempt]) => attempt)).toEqual([
      '2',
      '1',
      '2',
      '1',
    ]);
    await terminal.press('l');
    await terminal.shows(name, '‖', 'Server started at');
  });
});
