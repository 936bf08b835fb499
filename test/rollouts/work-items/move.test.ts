import { afterAll, beforeAll, expect, it } from 'vitest';
import { codes, operate } from './operate.ts';
import { addProject, type Body, createWorkStage, records, type WorkStage } from './stage.ts';

let stage: WorkStage;

beforeAll(async () => {
  stage = await createWorkStage();
});

afterAll(() => stage?.fathom.dispose());

const move = (id: string | undefined, body: object, headers: Record<string, string> = {}) =>
  operate(stage, 'member', 'move_work_item', { id: id ?? '', body, headers });

/** A project with tasks of these titles. */
async function listOf(...titles: string[]) {
  const project = (await addProject(stage)).id;
  const ids: Record<string, string> = {};
  for (const title of titles) {
    const body = { item_type: 'task', title, project_id: project };
    ids[title] = String((await operate(stage, 'member', 'create_work_item', { body })).body['id']);
  }
  const items = async () =>
    (await operate(stage, 'viewer', 'list_work_items', { query: { project_id: project, per_page: 200 } }))
      .body['items'] as Body[];
  const order = async () => (await items()).map(({ title }) => title).join('');
  return { project, ids, items, order };
}

it('places an item before or after another one', async () => {
  const { ids, order } = await listOf('a', 'b', 'c', 'd');
  expect((await move(ids['d'], { before_id: ids['a'] })).status).toBe(200);
  expect(await order()).toBe('dabc');
  await move(ids['d'], { after_id: ids['b'] });
  expect(await order()).toBe('abdc');
  await move(ids['a'], { after_id: ids['c'] });
  expect(await order()).toBe('bdca');
  await move(ids['c'], { before_id: ids['d'] });
  expect(await order()).toBe('bcda');
  // It is there already.
  await move(ids['c'], { before_id: ids['d'] });
  expect(await order()).toBe('bcda');
});

it('changes place, status and sprint as one change, with one version and one row of activity', async () => {
  const { project, ids, order } = await listOf('a', 'b');
  const sprint = await stage.create('member', 'pm_sprints', { project, name: 's' });
  const body = { before_id: ids['a'], status: 'todo', sprint_id: sprint.id, version: 1 };
  const moved = await move(ids['b'], body);
  expect(moved.body).toMatchObject({ status: 'todo', sprint: { id: sprint.id }, version: 2 });
  const activity = await operate(stage, 'owner', 'list_activity_of_project', { id: project });
  const [latest, ...older] = activity.body['items'] as Body[];
  expect(Object.keys(latest?.['changes'] as object).toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
    'rank',
    'sprint',
    'status',
  ]);
  expect(older.every(({ action }) => action === 'created')).toBe(true);
  // Nothing is left of a move that is refused.
  expect(codes(await move(ids['b'], { after_id: ids['a'], status: 'done' }))).toEqual([
    400,
    { status: 'move_not_allowed' },
  ]);
  expect(await order()).toBe('ba');
  expect((await move(ids['b'], { after_id: ids['a'], version: 1 })).status).toBe(409);
  expect((await move(ids['b'], { after_id: ids['a'] }, { 'if-match': '"1"' })).status).toBe(409);
  expect(await order()).toBe('ba');
  expect((await move(ids['b'], { sprint_id: null })).body).toMatchObject({ sprint: null });
});

it('refuses places that are none', async () => {
  const { project, ids } = await listOf('a', 'b');
  const other = await listOf('x');
  const a = ids['a'];
  const refused = async (body: object) => codes(await move(a, body));
  expect(await refused({})).toEqual([400, { before_id: 'required' }]);
  expect(await refused({ before_id: ids['b'], after_id: ids['b'] })).toEqual([
    400,
    { after_id: 'one_place' },
  ]);
  for (const id of [a, other.ids['x'], project, 'x', "' OR 1=1 --"])
    expect(await refused({ after_id: id })).toEqual([400, { after_id: 'place_not_allowed' }]);
  expect(await refused({ after_id: null })).toEqual([400, { after_id: 'invalid_type' }]);
});

it('refuses a move into a lane that is full', async () => {
  const { project, ids } = await listOf('a', 'b');
  const { body } = await operate(stage, 'owner', 'list_swim_lanes', { id: project });
  const lane = (body['items'] as Body[]).find(({ statuses }) => (statuses as string[]).includes('review'));
  await stage.call('owner', 'PATCH', records('pm_swim_lanes', String(lane?.['id'])), { wip_limit: 1 });
  for (const status of ['todo', 'in_progress', 'review']) await move(ids['a'], { status });
  for (const status of ['todo', 'in_progress']) await move(ids['b'], { status });
  expect(codes(await move(ids['b'], { status: 'review' }))).toEqual([409, { status: 'wip_limit' }]);
});

it('gives items around other ranks when a gap is used up, or when clients wrote equal ones', async () => {
  const { ids, items, order } = await listOf('a', 'b', 'c', 'd');
  for (const title of ['a', 'b', 'c'])
    await stage.call('member', 'PATCH', records('pm_work_items', ids[title]), { rank: 'V' });
  const [first, second, third, last] = await items();
  expect(last?.['title']).toBe('d');
  await move(String(last?.['id']), { before_id: second?.['id'] });
  const titles = [first, last, second, third].map((item) => item?.['title']);
  expect(await order()).toBe(titles.join(''));
  const ranks = (await items()).map(({ rank }) => String(rank));
  expect(new Set(ranks).size).toBe(4);
  for (const rank of ranks) expect(rank.length).toBeLessThan(10);
});

it('keeps all items when moves arrive together', async () => {
  const { ids, items } = await listOf('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
  const all = Object.values(ids);
  const answers = await Promise.all(
    all.flatMap((id, index) => [
      move(id, { before_id: all[(index + 3) % all.length] }),
      move(id, { after_id: all[(index + 5) % all.length] }),
    ]),
  );
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  const ranks = (await items()).map(({ rank }) => rank);
  expect([ranks.length, new Set(ranks).size]).toEqual([8, 8]);
});
