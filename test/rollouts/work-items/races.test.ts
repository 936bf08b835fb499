import { afterAll, beforeAll, expect, it } from 'vitest';
import { readUserDatabase } from '../../helpers/user-migrations.ts';
import { type Answer, addItem, addProject, createWorkStage, records, type WorkStage } from './stage.ts';

/** `FATHOM_RACE_ROUNDS=200` is the full size. */
const ROUNDS = Number(process.env['FATHOM_RACE_ROUNDS'] ?? 25);
const AT_ONCE = 6;

let stage: WorkStage;

beforeAll(async () => {
  stage = await createWorkStage();
});

afterAll(() => stage?.fathom.dispose());

const rounds = Array.from({ length: ROUNDS }, (_, round) => round);
const fulfilled = (answers: readonly Answer[]) => answers.filter(({ status }) => status === 200).length;
const all = (send: (index: number) => Promise<Answer>) =>
  Promise.all(Array.from({ length: AT_ONCE }, (_, index) => send(index)));

it('closes no circle of dependencies, also when requests close it together', async () => {
  const project = await addProject(stage);
  for (const _ of rounds) {
    const items: string[] = [];
    for (let n = 0; n < AT_ONCE; n += 1) items.push((await addItem(stage, project.id)).id);
    const answers = await all((index) =>
      stage.call('member', 'POST', records('pm_dependencies'), {
        blocker: items[index],
        blocked: items[(index + 1) % AT_ONCE],
        kind: 'blocks',
      }),
    );
    expect(fulfilled(answers)).toBe(AT_ONCE - 1);
  }
});

it('has one active sprint per project', async () => {
  for (const _ of rounds) {
    const project = await addProject(stage);
    const sprint = { project: project.id, name: 'sprint', status: 'active' };
    const answers = await all(() => stage.call('member', 'POST', records('pm_sprints'), sprint));
    expect(fulfilled(answers)).toBe(1);
  }
});

it('has one running timer per member', async () => {
  const project = await addProject(stage);
  const item = await addItem(stage, project.id);
  for (const _ of rounds) {
    const started_at = new Date().toISOString();
    const entry = { work_item: item.id, member: stage.ids.member, started_at };
    const answers = await all(() => stage.call('member', 'POST', records('pm_time_entries'), entry));
    expect(fulfilled(answers)).toBe(1);
    const id = String(answers.find(({ status }) => status === 200)?.body['id']);
    const end = { ended_at: new Date().toISOString() };
    expect((await stage.call('member', 'PATCH', records('pm_time_entries', id), end)).status).toBe(200);
  }
});

it('loses no change of an item: each one that is answered is a version', async () => {
  const project = await addProject(stage);
  for (const _ of rounds) {
    const item = await addItem(stage, project.id);
    const read = await stage.call('owner', 'GET', records('pm_work_items', item.id));
    const answers = await all((index) =>
      stage.call('member', 'PATCH', records('pm_work_items', item.id), { points: index }),
    );
    const { body } = await stage.call('owner', 'GET', records('pm_work_items', item.id));
    expect(Number(body['version']) - Number(read.body['version'])).toBe(fulfilled(answers));
    const based = await all((index) =>
      stage.call('member', 'PATCH', records('pm_work_items', item.id), {
        priority: index % 5,
        version: body['version'],
      }),
    );
    expect(fulfilled(based)).toBe(1);
  }
});

it('leaves no circle, no second sprint and no second timer in the file', () => {
  const found = readUserDatabase(stage.fathom, stage.tenant.name, (database) =>
    database
      .prepare(
        `WITH RECURSIVE way(start, at) AS (
           SELECT blocker, blocked FROM pm_dependencies WHERE kind = 'blocks' UNION
           SELECT way.start, next.blocked FROM way JOIN pm_dependencies AS next ON next.blocker = way.at WHERE next.kind = 'blocks')
         SELECT (SELECT count(*) FROM way WHERE start = at) AS circles,
           (SELECT count(*) FROM (SELECT 1 FROM pm_sprints WHERE status = 'active' GROUP BY project HAVING count(*) > 1)) AS sprints,
           (SELECT count(*) FROM pm_time_entries WHERE ended_at = '') AS timers`,
      )
      .get(),
  );
  expect({ ...found }).toEqual({ circles: 0, sprints: 0, timers: 0 });
});
