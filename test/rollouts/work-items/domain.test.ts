import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { untilRunning } from '../../helpers/fleet-actions.ts';
import { changeUserDatabase, readUserDatabase } from '../../helpers/user-migrations.ts';
import { codes } from './operate.ts';
import {
  type Answer,
  addItem,
  addProject,
  type Body,
  createWorkStage,
  type Person,
  records,
  type WorkStage,
} from './stage.ts';

let stage: WorkStage;
let project: string;

beforeAll(async () => {
  stage = await createWorkStage();
  project = (await addProject(stage)).id;
});

afterAll(() => stage?.fathom.dispose());

const change = (id: string, body: object, collection = 'pm_work_items', person: Person = 'member') =>
  stage.call(person, 'PATCH', records(collection, id), body);
const get = async (id: string, collection = 'pm_work_items') =>
  (await stage.call('owner', 'GET', records(collection, id))).body;
const exists = async (id: string) =>
  (await stage.call('owner', 'GET', records('pm_work_items', id))).status === 200;

async function task(more: object = {}): Promise<string> {
  const item = { item_type: 'task', title: 'task', project, ...more };
  return (await stage.create('member', 'pm_work_items', item)).id;
}

/** Moves an item through statuses. */
async function move(id: string, ...statuses: string[]): Promise<Answer> {
  let answer: Answer = { status: 0, body: {} };
  for (const status of statuses) answer = await change(id, { status });
  return answer;
}

const addDependency = (blocker: string, blocked: string) =>
  stage.call('member', 'POST', records('pm_dependencies'), { blocker, blocked, kind: 'blocks' });

const remove = (person: Person, id: string, query = '') =>
  stage.call(person, 'DELETE', `${records('pm_work_items', id)}${query}`);

const restore = (person: Person, id: string) =>
  stage.call(person, 'POST', `/api/v1/work-items/${id}/restore`);

const activityOf = async (id: string) => {
  const { body } = await stage.call(
    'owner',
    'GET',
    `${records('pm_activity_log')}?sort=created&filter=entity_id='${id}'`,
  );
  return body['items'] as Body[];
};

describe('work item validation', () => {
  it('a task may be assigned to a sprint, an epic may not', async () => {
    const sprint = (await stage.create('member', 'pm_sprints', { project, name: 'sprint' })).id;
    const epic = (await addItem(stage, project, 'epic')).id;
    expect((await change(await task(), { sprint })).status).toBe(200);
    const refused = await change(epic, { sprint });
    expect(codes(refused)).toEqual([400, { sprint: 'sprint_not_allowed' }]);
    expect(refused.body['message']).toBe('Only stories and tasks can be assigned to sprints.');
  });

  it('fills in what a client leaves out', async () => {
    const { id } = await stage.create('member', 'pm_work_items', {
      item_type: 'task',
      title: 'short',
      project,
    });
    expect(await get(id)).toMatchObject({
      status: 'backlog',
      parent: project,
      created_by: stage.ids.member,
      version: 1,
      rank: expect.stringMatching(/[1-9A-Za-z]$/) as string,
    });
  });

  it('moves along the workflow, and says which moves there are', async () => {
    const id = await task();
    const refused = await move(id, 'done');
    expect(codes(refused)).toEqual([400, { status: 'move_not_allowed' }]);
    expect(refused.body['message']).toContain('todo, cancelled');
    expect((await move(id, 'todo', 'in_progress', 'done')).body).toMatchObject({
      status: 'done',
      version: 4,
    });
    expect(codes(await change(id, { status: 'nowhere' }))).toEqual([400, { status: 'unknown_status' }]);
  });

  it('uses the workflow of the project', async () => {
    const workflow = {
      states: [
        { name: 'open', category: 'start' },
        { name: 'closed', category: 'done' },
      ],
      moves: { open: ['closed'], closed: ['open'] },
    };
    const own = await stage.create('owner', 'pm_work_items', {
      item_type: 'project',
      title: 'own',
      workflow,
    });
    const id = await task({ project: own.id });
    expect(await get(id)).toMatchObject({ status: 'open' });
    expect((await move(id, 'closed')).status).toBe(200);
    for (const wrong of [
      { ...workflow, moves: {} },
      { states: 1, moves: {} },
      {
        states: [
          { name: 'open', category: 'start' },
          { name: 'other', category: 'done' },
        ],
        moves: { open: ['other'] },
      },
    ])
      expect(codes(await change(own.id, { workflow: wrong }))).toEqual([
        400,
        { workflow: 'invalid_workflow' },
      ]);
  });

  it('refuses a version that has changed', async () => {
    const id = await task();
    expect((await change(id, { title: 'first', version: 1 })).body).toMatchObject({ version: 2 });
    expect(codes(await change(id, { title: 'second', version: 1 }))).toEqual([
      409,
      { version: 'version_conflict' },
    ]);
    expect(await get(id)).toMatchObject({ title: 'first', version: 2 });
  });

  it('refuses parents above the type', async () => {
    const epic = (await addItem(stage, project, 'epic')).id;
    const id = await task({ parent: epic });
    expect(codes(await change(epic, { parent: id }))).toEqual([400, { parent: 'parent_not_allowed' }]);
  });

  it('names the circle that a dependency would close', async () => {
    const [a, b, c] = [await task({ title: 'A' }), await task({ title: 'B' }), await task({ title: 'C' })];
    expect((await addDependency(a, b)).status).toBe(200);
    expect((await addDependency(b, c)).status).toBe(200);
    const refused = await addDependency(c, a);
    expect(codes(refused)).toEqual([400, { blocked: 'circular_dependency' }]);
    expect(refused.body['message']).toContain('"C" → "A" → "B" → "C"');
    expect(codes(await move(b, 'todo', 'in_progress', 'done'))).toEqual([400, { status: 'blocked' }]);
    await move(a, 'todo', 'in_progress', 'done');
    expect((await move(b, 'done')).status).toBe(200);
  });

  it('makes lanes with a project, and limits the work in one', async () => {
    const own = (await addProject(stage, 'lanes')).id;
    const { body } = await stage.call(
      'owner',
      'GET',
      `${records('pm_swim_lanes')}?sort=position&filter=project='${own}'`,
    );
    const lanes = body['items'] as Body[];
    expect(lanes.map(({ name }) => name)).toEqual(['To do', 'In progress', 'Review', 'Done']);
    const lane = String(lanes[1]?.['id']);
    expect((await change(lane, { wip_limit: 1 }, 'pm_swim_lanes', 'owner')).status).toBe(200);
    const [first, second] = [await task({ project: own }), await task({ project: own })];
    expect((await move(first, 'todo', 'in_progress', 'blocked')).status).toBe(200);
    expect(codes(await move(second, 'todo', 'in_progress'))).toEqual([409, { status: 'wip_limit' }]);
    const twice = await change(lane, { statuses: ['done'] }, 'pm_swim_lanes', 'owner');
    expect(codes(twice)).toEqual([400, { statuses: 'invalid_statuses' }]);
  });

  it('completes a sprint that is active, and takes no more items then', async () => {
    const own = (await addProject(stage, 'sprints')).id;
    const sprint = (await stage.create('member', 'pm_sprints', { project: own, name: 'one' })).id;
    const status = (to: string) => change(sprint, { status: to }, 'pm_sprints');
    expect(codes(await status('completed'))).toEqual([400, { status: 'move_not_allowed' }]);
    expect((await status('active')).status).toBe(200);
    expect((await status('completed')).body['completed_at']).not.toBe('');
    const id = await task({ project: own });
    expect(codes(await change(id, { sprint }))).toEqual([400, { sprint: 'sprint_not_allowed' }]);
  });

  it('measures times, and counts tokens', async () => {
    const entry = { work_item: await task(), started_at: '2026-01-01 10:00:00.000Z' };
    const { id } = await stage.create('member', 'pm_time_entries', entry);
    const ended = await change(id, { ended_at: '2026-01-01 10:01:30.000Z' }, 'pm_time_entries');
    expect(ended.body).toMatchObject({ member: stage.ids.member, seconds: 90 });
    const early = await change(id, { ended_at: '2026-01-01 09:00:00.000Z' }, 'pm_time_entries');
    expect(codes(early)).toEqual([400, { ended_at: 'ends_before_start' }]);
    const context = { project, kind: 'note', title: 'a', content: 'x'.repeat(9) };
    expect(await stage.create('member', 'pm_llm_context', context)).toMatchObject({ tokens: 3 });
  });
});

describe('deletion', () => {
  it('hides an item with everything below it, and brings both back', async () => {
    const epic = (await addItem(stage, project, 'epic')).id;
    const story = (
      await stage.create('member', 'pm_work_items', {
        item_type: 'story',
        title: 's',
        project,
        parent: epic,
      })
    ).id;
    const id = await task({ parent: story });
    const before = await task({ parent: story });
    expect((await remove('member', before)).status).toBe(204);
    expect(codes(await remove('member', epic))).toEqual([409, { id: 'has_children' }]);
    expect((await remove('viewer', epic, '?cascade=true')).status).toBe(404);
    expect((await remove('member', epic, '?cascade=true')).status).toBe(204);
    for (const gone of [epic, story, id]) expect(await exists(gone)).toBe(false);
    expect(codes(await restore('member', id))).toEqual([409, { parent_id: 'deleted' }]);
    expect([(await restore('guest', epic)).status, (await restore('stranger', epic)).status]).toEqual([
      401, 401,
    ]);
    expect((await restore('viewer', epic)).status).toBe(403);
    expect(await exists(epic)).toBe(false);
    expect((await restore('member', epic)).status).toBe(200);
    for (const back of [epic, story, id]) expect(await exists(back)).toBe(true);
    // It was deleted alone.
    expect(await exists(before)).toBe(false);
  });

  it('removes for good what was deleted 30 days ago, at a start', async () => {
    const { fathom, tenant } = stage;
    const own = (await addProject(stage, 'old')).id;
    const [old, recent] = [await task({ project: own }), await task({ project: own })];
    await stage.create('member', 'pm_comments', { work_item: old, body: 'a' });
    for (const id of [old, recent]) await remove('member', id);
    await fathom.client.databases.stop(tenant.name);
    changeUserDatabase(
      fathom,
      tenant.name,
      `UPDATE pm_work_items SET deleted_at = '2020-01-01 00:00:00.000Z' WHERE id = '${old}'`,
    );
    await fathom.client.databases.start(tenant.name);
    await untilRunning(fathom, tenant.name);
    const rows = readUserDatabase(fathom, tenant.name, (database) => [
      database
        .prepare('SELECT id FROM pm_work_items WHERE project = ?')
        .all(own)
        .map(({ id }) => id),
      database.prepare('SELECT id FROM pm_comments WHERE work_item = ?').all(old).length,
      database
        .prepare('SELECT action FROM pm_activity_log WHERE entity_id = ? ORDER BY created')
        .all(old)
        .map(({ action }) => action),
    ]);
    expect(rows).toEqual([[recent], 0, ['created', 'deleted']]);
  });
});

describe('activity', () => {
  it('has a row for each change, with its person', async () => {
    const id = await task();
    await change(id, { status: 'todo' });
    await change(id, { title: 'other' }, 'pm_work_items', 'owner');
    await change(id, { status: 'nowhere' });
    await stage.call('viewer', 'PATCH', records('pm_work_items', id), { title: 'no' });
    const { member, owner } = stage.ids;
    expect(await activityOf(id)).toMatchObject([
      { action: 'created', actor: member, actor_kind: 'member', project },
      { action: 'updated', actor: member, changes: { status: ['backlog', 'todo'] } },
      { action: 'updated', actor: owner, actor_kind: 'owner', changes: { title: ['task', 'other'] } },
    ]);
  });

  it('contains no password and no key of a member', async () => {
    const rows = await activityOf(stage.ids.viewer);
    expect(rows.map(({ action }) => action)).toContain('created');
    expect(JSON.stringify(rows)).not.toMatch(/password|tokenKey/);
  });
});
