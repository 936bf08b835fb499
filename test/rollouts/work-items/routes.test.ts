import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseRows } from '../../helpers/fleet-state.ts';
import { asSuperuser } from '../../helpers/instance-superuser.ts';
import { readUserDatabase } from '../../helpers/user-migrations.ts';
import { type Body, createWorkStage, type Person, records, type WorkStage } from './stage.ts';

const ITEMS = '/api/v1/work-items';

let stage: WorkStage;
let project: string;

beforeAll(async () => {
  stage = await createWorkStage();
  const { body } = await stage.call('owner', 'POST', ITEMS, { item_type: 'project', title: 'project' });
  project = String(body['id']);
});

afterAll(() => stage?.fathom.dispose());

const titles = (body: Body) => (body['items'] as Body[]).map(({ title }) => title);
const post = (id: string | undefined, action: string, body: object = {}, person: Person = 'member') =>
  stage.call(person, 'POST', `/api/v1/sprints/${id}/${action}`, body);
const sprintOf = async (id: string) => (await stage.call('owner', 'GET', `${ITEMS}/${id}`)).body['sprint'];
const countItems = () =>
  readUserDatabase(stage.fathom, stage.tenant.name, (database) =>
    Number(database.prepare('SELECT count(*) AS n FROM pm_work_items').get()?.['n']),
  );

describe('create work item API', () => {
  it('creates an item with a bearer token, and answers 201', async () => {
    const { owner, member } = stage.ids;
    const item = { item_type: 'task', title: 'task', project_id: project, assignee_id: owner };
    const { status, body } = await stage.call('member', 'POST', ITEMS, item);
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(/^[a-f0-9-]{36}$/) as string,
      item_type: 'task',
      title: 'task',
      description: '',
      status: 'backlog',
      priority: 0,
      parent_id: project,
      project_id: project,
      assignee: { id: owner, name: expect.any(String) as string },
      sprint: null,
      points: 0,
      due_date: null,
      labels: [],
      rank: expect.any(String) as string,
      version: 1,
      created_at: expect.any(Number) as number,
      updated_at: expect.any(Number) as number,
    });
    expect(Math.abs(Number(body['created_at']) - Date.now())).toBeLessThan(60_000);
    const stored = await stage.call('owner', 'GET', records('pm_work_items', String(body['id'])));
    expect(stored.body).toMatchObject({ created_by: member });
    expect((await stage.call('viewer', 'GET', `${ITEMS}/${String(body['id'])}`)).body).toEqual(body);
  });

  it.each([
    ['viewer', 403],
    ['guest', 401],
    ['stranger', 401],
  ] as const)('leaves nothing of the request of a %s', async (person, expected) => {
    const before = countItems();
    const item = { item_type: 'task', title: 'task', project_id: project };
    expect((await stage.call(person, 'POST', ITEMS, item)).status).toBe(expected);
    expect(countItems()).toBe(before);
  });

  it('names the fields that it refuses', async () => {
    const { status, body } = await stage.call('owner', 'POST', ITEMS, { item_type: 'other', title: '' });
    expect(status).toBe(400);
    expect(Object.keys(body['data'] as object)).toEqual(expect.arrayContaining(['item_type', 'title']));
    const forged = { item_type: 'task', title: 'a', project_id: project, created_by: stage.ids.viewer };
    expect(await stage.call('owner', 'POST', ITEMS, forged)).toMatchObject({
      status: 400,
      body: { data: { created_by: { code: 'unknown_field' } } },
    });
  });
});

it('lists items by their fields, page by page', async () => {
  for (let n = 0; n < 3; n += 1)
    await stage.call('member', 'POST', ITEMS, {
      item_type: 'story',
      title: `story ${n}`,
      project_id: project,
    });
  const list = async (query: string) => (await stage.call('viewer', 'GET', `${ITEMS}?${query}`)).body;
  const wanted = `item_type=story&project_id=${project}`;
  expect(titles(await list(wanted))).toEqual(['story 0', 'story 1', 'story 2']);
  const second = await list(`${wanted}&page=2&per_page=2`);
  expect(second).toMatchObject({ page: 2, per_page: 2, total: 3 });
  expect(titles(second)).toEqual(['story 2']);
  expect(await list('project_id=other')).toEqual({ items: [], page: 1, per_page: 50, total: 0 });
  expect((await stage.call('guest', 'GET', ITEMS)).status).toBe(401);
  // Quotes of a value are no part of the filter.
  expect(await list(`project_id=${encodeURIComponent("x' || id != '")}`)).toMatchObject({ total: 0 });
});

it('starts one sprint, and completes it with its unfinished items', async () => {
  const [first, second] = await Promise.all(
    ['first', 'second'].map((name) => stage.create('member', 'pm_sprints', { project, name })),
  );
  expect((await post(first?.id, 'start', {}, 'viewer')).status).toBe(403);
  expect((await post(first?.id, 'start', {}, 'stranger')).status).toBe(401);
  expect((await post(first?.id, 'start')).body).toMatchObject({ status: 'active' });
  expect(await post(second?.id, 'start')).toMatchObject({
    status: 409,
    body: { data: { status: { code: 'sprint_active' } } },
  });
  const item = { item_type: 'task', title: 'task', project_id: project, sprint_id: first?.id };
  const add = async (status: string) =>
    String((await stage.call('member', 'POST', ITEMS, { ...item, status })).body['id']);
  const [open, done] = [await add('todo'), await add('done')];
  // Nothing changes when the items cannot move.
  expect((await post(first?.id, 'complete', { move_to: first?.id })).status).toBe(400);
  expect(await sprintOf(open)).toMatchObject({ id: first?.id, status: 'active' });
  const completed = await post(first?.id, 'complete', { move_to: second?.id });
  expect(completed).toMatchObject({ status: 200, body: { status: 'completed' } });
  expect(await sprintOf(open)).toMatchObject({ id: second?.id });
  expect(await sprintOf(done)).toMatchObject({ id: first?.id });
  expect((await post(first?.id, 'complete')).status).toBe(409);
  await post(second?.id, 'start');
  expect((await post(second?.id, 'complete', { move_to: null })).status).toBe(200);
  expect(await sprintOf(open)).toBeNull();
});

it('hides deleted items, and everything from a member who is deactivated', async () => {
  const { body } = await stage.call('member', 'POST', ITEMS, {
    item_type: 'task',
    title: 'a',
    project_id: project,
  });
  const path = `${ITEMS}/${String(body['id'])}`;
  expect((await stage.call('member', 'DELETE', records('pm_work_items', String(body['id'])))).status).toBe(
    204,
  );
  expect((await stage.call('owner', 'GET', path)).status).toBe(404);
  expect(await stage.call('former', 'GET', ITEMS)).toMatchObject({
    status: 403,
    body: { message: 'This member is deactivated.' },
  });
});

it('refuses members what a rule of the collection leaves to superusers', async () => {
  const rows = await databaseRows(stage.fathom);
  const row = rows.find(({ name }) => name === stage.tenant.name);
  if (!row) throw new Error('the database has no row');
  const { collections } = await asSuperuser(stage.fathom, row);
  const { createRule } = await collections.getOne('pm_work_items');
  const item = { item_type: 'task', title: 'a', project_id: project };
  const before = countItems();
  await collections.update('pm_work_items', { createRule: null });
  expect((await stage.call('owner', 'POST', ITEMS, item)).status).toBe(403);
  expect(countItems()).toBe(before);
  await collections.update('pm_work_items', { createRule });
  expect((await stage.call('owner', 'POST', ITEMS, item)).status).toBe(201);
});
