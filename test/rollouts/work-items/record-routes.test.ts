import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationName } from '../../../shared/work/api/operations.ts';
import { codes, operate, type Request } from './operate.ts';
import { addItem, addProject, type Body, createWorkStage, type Person, type WorkStage } from './stage.ts';

let stage: WorkStage;
let project: string;
let task: string;

beforeAll(async () => {
  stage = await createWorkStage();
  project = (await addProject(stage)).id;
  task = (await addItem(stage, project)).id;
});

afterAll(() => stage?.fathom.dispose());

const send = (name: OperationName, request: Request = {}, person: Person = 'member') =>
  operate(stage, person, name, request);
const create = async (name: OperationName, request: Request, person: Person = 'member') => {
  const answer = await send(name, request, person);
  expect([answer.status, answer.body]).toEqual([201, answer.body]);
  return answer.body as Body & { id: string };
};
const items = async (name: OperationName, request: Request, person: Person = 'member') =>
  (await send(name, request, person)).body['items'] as Body[];

describe('comments', () => {
  it('are written, changed by their author, and deleted', async () => {
    const item = (await addItem(stage, project)).id;
    const first = await create('create_comment', { id: item, body: { body: 'é😀' } });
    expect(first).toMatchObject({
      author: { id: stage.ids.member, name: 'member' },
      edited_at: null,
      work_item_id: item,
    });
    await create('create_comment', { id: item, body: { body: 'second' } }, 'owner');
    expect((await items('list_comments', { id: item })).map(({ body }) => body)).toEqual(['é😀', 'second']);
    const changed = await send('replace_comment', { id: first.id, body: { body: 'changed' } });
    expect(changed.body).toMatchObject({ body: 'changed', edited_at: expect.any(Number) as number });
    expect((await send('delete_comment', { id: first.id })).status).toBe(204);
    expect((await send('get_comment', { id: first.id })).status).toBe(404);
    expect(await items('list_comments', { id: item })).toHaveLength(1);
  });

  it.each<[object, string]>([
    [{ body: '' }, 'too_short'],
    [{ body: 'a'.repeat(10_001) }, 'too_long'],
    [{ body: null }, 'invalid_type'],
    [{}, 'required'],
  ])('refuse %j', async (body, code) => {
    expect(codes(await send('create_comment', { id: task, body }))).toEqual([400, { body: code }]);
  });

  it('are hidden with their item', async () => {
    const item = (await addItem(stage, project)).id;
    const { id } = await create('create_comment', { id: item, body: { body: 'a' } });
    await send('delete_work_item', { id: item });
    expect((await send('get_comment', { id })).status).toBe(404);
    expect((await send('list_comments', { id: item })).status).toBe(404);
    expect((await send('create_comment', { id: item, body: { body: 'a' } })).status).toBe(404);
  });
});

describe('times', () => {
  it('run once per member, and end with the seconds between', async () => {
    const started = await create('start_timer', { body: { work_item_id: task, note: 'a' } });
    expect(started).toMatchObject({
      ended_at: null,
      seconds: 0,
      member: { id: stage.ids.member },
      work_item_id: task,
    });
    const again = await send('start_timer', { body: { work_item_id: task } });
    expect(codes(again)).toEqual([409, { member_id: 'timer_running' }]);
    expect(again.body['message']).toBe('A timer of the member is running on "task". Stop it first.');
    expect(await items('list_time_entries', { query: { running: true } })).toMatchObject([
      { id: started.id },
    ]);
    const stopped = await send('stop_timer', { body: {} });
    expect(stopped.body).toMatchObject({ id: started.id, ended_at: expect.any(Number) as number, note: 'a' });
    expect(codes(await send('stop_timer', { body: {} }))).toEqual([409, { ended_at: 'timer_not_running' }]);
    expect(await items('list_time_entries', { query: { running: true } })).toEqual([]);
  });

  it('start once, also when requests arrive together', async () => {
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => send('start_timer', { body: { work_item_id: task } }, 'admin')),
    );
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      201, 409, 409, 409, 409, 409,
    ]);
    const ends = await Promise.all(
      Array.from({ length: 6 }, () => send('stop_timer', { body: {} }, 'admin')),
    );
    expect(ends.filter(({ status }) => status === 200)).not.toEqual([]);
  });

  it('are seen by their member and by managers', async () => {
    const item = (await addItem(stage, project)).id;
    const entry = { id: item, body: { started_at: 1000, ended_at: 91_000 } };
    const own = await create('create_time_entry', entry);
    expect(own).toMatchObject({ seconds: 90, started_at: 1000, ended_at: 91_000 });
    const others = await create('create_time_entry', entry, 'admin');
    const seen = async (person: Person) =>
      new Set((await items('list_times_of_work_item', { id: item }, person)).map(({ id }) => id));
    expect(await seen('member')).toEqual(new Set([own.id]));
    expect(await seen('owner')).toEqual(new Set([own.id, others.id]));
    expect(await seen('viewer')).toEqual(new Set());
    expect((await send('list_time_entries', { query: { member_id: stage.ids.admin } })).body).toMatchObject({
      total: 0,
    });
    expect((await send('get_time_entry', { id: others.id })).status).toBe(404);
    const forOther = { ...entry, body: { ...entry.body, member_id: stage.ids.admin } };
    expect((await send('create_time_entry', forOther)).status).toBe(403);
    expect((await create('create_time_entry', forOther, 'owner'))['member']).toMatchObject({
      id: stage.ids.admin,
    });
  });

  it.each<[object, Record<string, string>]>([
    [{ started_at: 2000, ended_at: 1000 }, { ended_at: 'ends_before_start' }],
    [{ started_at: -1 }, { started_at: 'too_small' }],
    [{ started_at: '2026-01-01' }, { started_at: 'invalid_type' }],
    [{ started_at: 1e17 }, { started_at: 'invalid_type' }],
    [{ started_at: 253402300800000 }, { started_at: 'too_large' }],
    [{ started_at: null }, { started_at: 'invalid_type' }],
    [{ started_at: 0, ended_at: 1, member_id: 'x' }, { member_id: 'validation_missing_rel_records' }],
  ])('refuse %j', async (body, expected) => {
    expect(codes(await send('create_time_entry', { id: task, body }, 'owner'))).toEqual([400, expected]);
  });
});

describe('dependencies', () => {
  it('have both items, and are listed at both', async () => {
    const [a, b] = [(await addItem(stage, project)).id, (await addItem(stage, project)).id];
    const added = await create('create_dependency', { id: a, body: { blocked_id: b } });
    expect(added).toMatchObject({
      blocker: { id: a, title: 'task' },
      blocked: { id: b, status: 'backlog' },
      kind: 'blocks',
    });
    for (const id of [a, b]) expect(await items('list_dependencies', { id })).toEqual([added]);
    expect(codes(await send('create_dependency', { id: a, body: { blocker_id: b } }))).toEqual([
      400,
      { blocked_id: 'circular_dependency' },
    ]);
    expect(codes(await send('create_dependency', { id: a, body: { blocked_id: a } }))).toEqual([
      400,
      { blocked_id: 'self_dependency' },
    ]);
    expect((await send('create_dependency', { id: a, body: { blocked_id: b } })).status).toBe(400);
    const related = await create('create_dependency', { id: a, body: { blocker_id: b, kind: 'relates_to' } });
    expect(related).toMatchObject({ blocker: { id: b }, blocked: { id: a } });
    await send('delete_work_item', { id: b });
    expect(await items('list_dependencies', { id: a })).toEqual([]);
    expect((await send('get_dependency', { id: added.id })).status).toBe(404);
    await send('restore_work_item', { id: b });
    expect((await send('delete_dependency', { id: added.id })).status).toBe(204);
    expect(await items('list_dependencies', { id: a })).toEqual([related]);
  });

  it.each<[object, Record<string, string>]>([
    [{}, { blocked_id: 'one_item' }],
    [{ blocked_id: 'x' }, { blocked_id: 'validation_missing_rel_records' }],
    [{ blocked_id: 'a', blocker_id: 'b' }, { blocked_id: 'one_item' }],
    [{ blocked_id: 'a', kind: 'other' }, { kind: 'not_one_of' }],
  ])('refuse %j', async (body, expected) => {
    expect(codes(await send('create_dependency', { id: task, body }))).toEqual([400, expected]);
  });
});

describe('sprints', () => {
  it('are created, changed, replaced and deleted', async () => {
    const own = (await addProject(stage)).id;
    const body = { project_id: own, name: 'one', goal: 'g', start_date: 1000, end_date: 2000 };
    const sprint = await create('create_sprint', { body });
    expect(sprint).toMatchObject({ ...body, status: 'planned', completed_at: null });
    await create('create_sprint', { body: { project_id: own, name: 'earlier', start_date: 500 } });
    const named = (await items('list_sprints', { query: { project_id: own } })).map(({ name }) => name);
    expect(named).toEqual(['earlier', 'one']);
    expect(await items('list_sprints', { query: { project_id: own, status: 'active' } })).toEqual([]);
    const { id } = sprint;
    expect((await send('change_sprint', { id, body: { end_date: null } })).body).toMatchObject({
      goal: 'g',
      end_date: null,
    });
    expect((await send('replace_sprint', { id, body: { name: 'two' } })).body).toMatchObject({
      name: 'two',
      goal: '',
      start_date: null,
    });
    expect(codes(await send('change_sprint', { id, body: { start_date: 5, end_date: 4 } }))).toEqual([
      400,
      { end_date: 'ends_before_start' },
    ]);
    expect(codes(await send('change_sprint', { id, body: { status: 'active' } }))).toEqual([
      400,
      { status: 'unknown_field' },
    ]);
    const item = await create('create_work_item', {
      body: { item_type: 'task', title: 'a', project_id: own, sprint_id: id },
    });
    expect((await send('delete_sprint', { id })).status).toBe(204);
    expect((await send('get_work_item', { id: item.id })).body['sprint']).toBeNull();
    expect((await send('get_sprint', { id })).status).toBe(404);
    expect((await send('start_sprint', { id })).status).toBe(404);
  });

  it('belong to a project', async () => {
    for (const project_id of [task, 'x'])
      expect((await send('create_sprint', { body: { project_id, name: 'a' } })).status).toBe(400);
    expect(codes(await send('create_sprint', { body: { project_id: task, name: 'a' } }))).toEqual([
      400,
      { project_id: 'project_required' },
    ]);
  });
});

it('lists the changes of one item', async () => {
  const { id } = await addItem(stage, project);
  await send('change_work_item', { id, body: { title: 'b' } });
  await send('change_work_item', { id, body: { title: 'c' } }, 'owner');
  expect(await items('list_activity_of_work_item', { id })).toMatchObject([
    { changes: { title: ['b', 'c'] }, actor_kind: 'owner' },
    { changes: { title: ['task', 'b'] }, actor: { name: 'member' } },
    { action: 'created' },
  ]);
});
