import { describe, expect, it } from 'vitest';
import { SERVE_DEMO } from '../helpers/deployment.ts';
import { databaseRows } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { until } from '../helpers/until.ts';

describe('serve --demo', () => {
  it('makes three users with databases and a handful of tasks, once', async () => {
    const fathom = await deployment({}, { empty: true });
    const seen: unknown[] = [];
    for (let start = 1; start <= 2; start += 1) {
      const daemon = await fathom.start({}, SERVE_DEMO);
      await until(
        async () => {
          const instances = await fathom.client.databases.all();
          const { total } = await fathom.client.users.list();
          return total === 4 && instances.filter(({ phase }) => phase === 'running').length === 4;
        },
        { what: () => `the demo data:\n${daemon.output()}` },
      );
      // They are there when the daemon says that it is ready.
      const { items: tasks } = await fathom.client.queue.list({ sort: 'created' });
      seen.push({
        databases: (await databaseRows(fathom)).map(({ name, state }) => ({ name, state })),
        tasks: tasks.map(({ id }) => id),
      });
      expect(await daemon.stop(), daemon.output()).toBe(0);
    }
    expect(seen[0]).toMatchObject({
      databases: ['ada', 'grace', 'linus'].map(() => ({ state: 'ready' })),
      tasks: Array.from({ length: 7 }, () => expect.any(String) as string),
    });
    expect(seen[1]).toEqual(seen[0]);
    // With the demo data there, an ordinary start is an ordinary start.
    await fathom.start();
    expect((await fathom.client.users.list()).total).toBe(4);
    const [ada] = (await databaseRows(fathom)).filter(({ name }) => name.endsWith('-ada'));
    const records = async (collection: string) =>
      (await fathom.client.databases.records(ada?.name ?? '', collection)).items;
    const work = await records('pm_work_items');
    expect(Object.groupBy(work, (item) => String(item['item_type']))).toMatchObject({
      project: [{ title: 'Website' }],
      epic: [{}],
      story: [{}, {}],
      task: [{}, {}, {}, {}],
    });
    expect(await records('pm_sprints')).toMatchObject([{ status: 'active' }]);
    expect(await records('pm_comments')).toHaveLength(2);
    expect(await records('pm_time_entries')).toMatchObject([{ seconds: 7200 }]);
    const audit = (await fathom.client.audit.list()).items.map(({ action, target }) => `${action} ${target}`);
    expect(audit.filter((line) => line.startsWith('user.create'))).toHaveLength(3);
    const { items } = await fathom.client.queue.list();
    expect(items.every(({ run_at, timeout_s }) => run_at !== null && timeout_s === 300)).toBe(true);
  });
});
