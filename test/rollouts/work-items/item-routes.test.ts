import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationName } from '../../../shared/work/api/operations.ts';
import { codes, operate, type Request } from './operate.ts';
import { type Body, createWorkStage, records, type WorkStage } from './stage.ts';

let stage: WorkStage;
let project: string;

beforeAll(async () => {
  stage = await createWorkStage();
  project = String((await send('create_project', { body: { title: 'project' } })).body['id']);
});

afterAll(() => stage?.fathom.dispose());

const send = (name: OperationName, request: Request = {}) => operate(stage, 'member', name, request);
const change = (id: string, body: object, headers: Record<string, string> = {}) =>
  send('change_work_item', { id, body, headers });
const titles = (body: Body) => (body['items'] as Body[]).map(({ title }) => title);
const list = async (query: NonNullable<Request['query']>) => (await send('list_work_items', { query })).body;

async function add(values: object = {}, of = project): Promise<Body & { id: string }> {
  const body = { item_type: 'task', title: 'task', project_id: of, ...values };
  const answer = await send('create_work_item', { body });
  expect([answer.status, answer.body]).toEqual([201, answer.body]);
  return answer.body as Body & { id: string };
}

describe('change', () => {
  it('changes the values that are sent, and answers with the new version', async () => {
    const due_date = Date.UTC(2027, 0, 2);
    const { id } = await add({ description: 'd', priority: 2 });
    const values = { title: 'é😀', labels: ['a', 'b'], points: 3, due_date, assignee_id: stage.ids.viewer };
    const { status, body } = await change(id, values);
    expect(status).toBe(200);
    const { assignee_id, ...same } = values;
    expect(body).toMatchObject({
      ...same,
      description: 'd',
      priority: 2,
      version: 2,
      assignee: { id: assignee_id },
    });
    expect((await send('get_work_item', { id })).body).toEqual(body);
  });

  it('replaces all values, and the item stays in its project', async () => {
    const epic = await add({ item_type: 'epic' });
    const { id } = await add({ description: 'd', priority: 2, labels: ['a'], parent_id: epic.id });
    const { body } = await send('replace_work_item', {
      id,
      body: { title: 'new', status: 'todo', points: 1 },
    });
    expect(body).toMatchObject({
      title: 'new',
      status: 'todo',
      points: 1,
      description: '',
      priority: 0,
      labels: [],
      parent_id: project,
      project_id: project,
    });
    const incomplete = await send('replace_work_item', { id, body: { title: 'x' } });
    expect(codes(incomplete)).toEqual([400, { status: 'required' }]);
    expect(incomplete.body['message']).toBe('Field status: Cannot be left out.');
  });

  it('refuses a change that is based on another version, from the body or from If-Match', async () => {
    const { id } = await add();
    expect((await change(id, { title: 'a', version: 1 })).status).toBe(200);
    expect(codes(await change(id, { title: 'b', version: 1 }))).toEqual([
      409,
      { version: 'version_conflict' },
    ]);
    expect((await change(id, { title: 'b' }, { 'if-match': '"1"' })).status).toBe(409);
    expect((await change(id, { title: 'b' }, { 'if-match': 'x' })).status).toBe(409);
    expect((await change(id, { title: 'c' }, { 'if-match': '"2"' })).body).toMatchObject({ version: 3 });
    expect((await change(id, { title: 'd' }, { 'if-match': '*' })).status).toBe(200);
  });

  it.each<[string, object, Record<string, string>]>([
    [
      'values of other types',
      { title: 5, priority: '1', labels: 'a' },
      { title: 'invalid_type', priority: 'invalid_type', labels: 'invalid_type' },
    ],
    [
      'texts that are too long',
      { title: 'a'.repeat(201), description: 'a'.repeat(20_001) },
      { title: 'too_long', description: 'too_long' },
    ],
    ['an empty title', { title: '' }, { title: 'too_short' }],
    ['a title of control characters', { title: '\u0001\u001b\u007f' }, { title: 'blank' }],
    ['a title of invisible characters', { title: '\u200b\u2060\ufeff\u202e\u3164' }, { title: 'blank' }],
    ['a title with a null character', { title: 'a\0b' }, { title: 'blank' }],
    [
      'white space as a title or label',
      { title: ' \u3000\n', labels: ['a', ' '] },
      { title: 'blank', 'labels.1': 'blank' },
    ],
    ['numbers out of range', { priority: 5, points: -1 }, { priority: 'too_large', points: 'too_small' }],
    ['no number', { priority: 1.5, due_date: 1e300 }, { priority: 'invalid_type', due_date: 'invalid_type' }],
    ['null where it is no value', { title: null }, { title: 'invalid_type' }],
    ['a label that is no text', { labels: ['a', 1] }, { 'labels.1': 'invalid_type' }],
    [
      'fields that do not change',
      { item_type: 'epic', project_id: 'x' },
      { item_type: 'unknown_field', project_id: 'unknown_field' },
    ],
    [
      'columns of the collection',
      { deleted_at: 'x', rank: 'a' },
      { deleted_at: 'unknown_field', rank: 'unknown_field' },
    ],
    ['a status that the workflow does not have', { status: 'nowhere' }, { status: 'unknown_status' }],
    ['a move that the workflow does not have', { status: 'done' }, { status: 'move_not_allowed' }],
    ['a sprint that does not exist', { sprint_id: 'x' }, { sprint_id: 'validation_missing_rel_records' }],
    ['a parent that does not exist', { parent_id: 'x' }, { parent_id: 'validation_missing_rel_records' }],
    ['a parent of the same type', { parent_id: 'TASK' }, { parent_id: 'parent_not_allowed' }],
    ['a workflow of a task', { workflow: { states: [], moves: {} } }, { workflow: 'invalid_workflow' }],
  ])('refuses %s', async (_, body, expected) => {
    const { id } = await add();
    const sent = 'parent_id' in body && body.parent_id === 'TASK' ? { parent_id: (await add()).id } : body;
    expect(codes(await change(id, sent))).toEqual([400, expected]);
    expect((await send('get_work_item', { id })).body).toMatchObject({ title: 'task', version: 1 });
  });

  it('writes the activity with its person', async () => {
    const { id } = await add();
    await change(id, { status: 'todo' });
    const { body } = await send('list_activity_of_project', { id: project, query: { per_page: 2 } });
    expect(body['items']).toMatchObject([
      {
        entity_id: id,
        action: 'updated',
        changes: { status: ['backlog', 'todo'] },
        actor: { id: stage.ids.member, name: 'member' },
      },
      { entity_id: id, action: 'created', actor_kind: 'member' },
    ]);
  });
});

describe('creation', () => {
  it.each<[string, object, number, Record<string, string>]>([
    ['no project', { item_type: 'task' }, 400, { project_id: 'project_required' }],
    [
      'an unknown project',
      { item_type: 'task', project_id: 'x' },
      400,
      { project_id: 'validation_missing_rel_records' },
    ],
    [
      'a project in a project',
      { item_type: 'project', project_id: 'PROJECT' },
      400,
      { project_id: 'parent_not_allowed' },
    ],
    [
      'a project in no project that exists',
      { item_type: 'project', project_id: 'x' },
      400,
      { project_id: 'validation_missing_rel_records' },
    ],
    ['a blank title', { item_type: 'project', title: '  ' }, 400, { title: 'blank' }],
    ['a body that is too large', { item_type: 'task', description: 'x'.repeat(2_000_000) }, 413, {}],
  ])('refuses %s', async (_, values, status, expected) => {
    const place = 'project_id' in values && values.project_id === 'PROJECT' ? { project_id: project } : {};
    const body = { title: 'a', ...values, ...place };
    expect(codes(await send('create_work_item', { body }))).toEqual([status, expected]);
    // The next request on the connection is not the rest of the body.
    expect((await send('list_projects')).status).toBe(200);
  });

  it('refuses blank texts in the collections too', async () => {
    const refused = async (collection: string, values: object) =>
      codes(await stage.call('member', 'POST', records(collection), values));
    const title = { item_type: 'project', title: ' \t' };
    expect(await refused('pm_work_items', title)).toEqual([400, { title: 'blank' }]);
    for (const name of [' ', '\u200b', '\ufeff', '\u{e0041}'])
      expect(await refused('pm_sprints', { project, name })).toEqual([400, { name: 'blank' }]);
    const { id: work_item } = await add();
    for (const body of ['\n', '\u2060\u00ad', '\u{1d173}'])
      expect(await refused('pm_comments', { work_item, body })).toEqual([400, { body: 'blank' }]);
    const lane = { project, name: '\u3164', position: 9 };
    expect(codes(await stage.call('owner', 'POST', records('pm_swim_lanes'), lane))).toEqual([
      400,
      { name: 'blank' },
    ]);
    const path = records('pm_work_items', work_item);
    expect(codes(await stage.call('member', 'PATCH', path, { title: ' ' }))).toEqual([
      400,
      { title: 'blank' },
    ]);
  });

  it('names the project that does not exist', async () => {
    expect((await send('get_board', { id: 'x' })).body['message']).toBe('There is no such project.');
  });
});

describe('deletion', () => {
  it('needs cascade for an item with items below it, and is undone as one', async () => {
    const epic = await add({ item_type: 'epic' });
    const below = await add({ parent_id: epic.id });
    expect(codes(await send('delete_work_item', { id: epic.id }))).toEqual([409, { id: 'has_children' }]);
    expect((await send('delete_work_item', { id: epic.id, query: { cascade: 'yes' } })).status).toBe(400);
    expect((await send('delete_work_item', { id: epic.id, query: { cascade: true } })).status).toBe(204);
    for (const id of [epic.id, below.id]) expect((await send('get_work_item', { id })).status).toBe(404);
    const restored = await send('restore_work_item', { id: epic.id });
    expect(restored.body).toMatchObject({ id: epic.id, item_type: 'epic', project_id: project });
    expect((await send('get_work_item', { id: below.id })).status).toBe(200);
  });
});

describe('list', () => {
  it('filters by label, and by a text of title and description', async () => {
    const own = String((await send('create_project', { body: { title: 'filters' } })).body['id']);
    await add({ title: 'One 100%', labels: ['ui', 'a,b'] }, own);
    await add({ title: 'two', description: 'has ONE inside', labels: ['api'] }, own);
    await add({ title: 'three' }, own);
    const found = async (query: object) => titles(await list({ project_id: own, ...query }));
    expect(await found({ label: 'ui' })).toEqual(['One 100%']);
    expect(await found({ label: 'a,b' })).toEqual(['One 100%']);
    expect(await found({ label: 'u' })).toEqual([]);
    expect(await found({ q: 'one' })).toEqual(['One 100%', 'two']);
    expect(await found({ q: '%' })).toEqual(['One 100%']);
    expect(await found({ q: '_' })).toEqual([]);
    expect(await found({ q: 'one', label: 'api' })).toEqual(['two']);
    expect(await found({ q: "' OR 1=1 --" })).toEqual([]);
  });

  it('is not broken by labels that are no list of texts', async () => {
    const own = String((await send('create_project', { body: { title: 'labels' } })).body['id']);
    for (const labels of [{ a: 'x' }, 'x', 5, [1, { a: 'x' }, 'x'], null])
      await stage.create('member', 'pm_work_items', {
        item_type: 'task',
        title: JSON.stringify(labels),
        project: own,
        labels,
      });
    expect((await list({ project_id: own }))['items']).toMatchObject(
      [[], [], [], ['x'], []].map((labels) => ({ labels })),
    );
    expect((await send('list_work_items', { query: { project_id: own, label: 'x' } })).status).toBe(200);
  });

  it('sorts in both directions, and pages do not overlap', async () => {
    const own = String((await send('create_project', { body: { title: 'sorts' } })).body['id']);
    for (const [title, priority] of [
      ['b', 1],
      ['a', 1],
      ['c', 0],
    ] as const)
      await add({ title, priority }, own);
    const sorted = async (query: object) => titles(await list({ project_id: own, ...query }));
    expect(await sorted({})).toEqual(['b', 'a', 'c']);
    expect(await sorted({ sort: '-rank' })).toEqual(['c', 'a', 'b']);
    expect(await sorted({ sort: 'title' })).toEqual(['a', 'b', 'c']);
    expect((await sorted({ sort: '-priority' })).at(-1)).toBe('c');
    const pages = await Promise.all([1, 2, 3].map((page) => sorted({ sort: 'priority', page, per_page: 1 })));
    expect(new Set(pages.flat())).toEqual(new Set(['a', 'b', 'c']));
    for (const sort of ['x', 'rank;', '--rank', 'tokenKey'])
      expect((await send('list_work_items', { query: { sort } })).status).toBe(400);
  });
});

describe('project', () => {
  it('has the workflow of its own, or that of Fathom', async () => {
    expect((await send('get_project', { id: project })).body['workflow']).toMatchObject({
      moves: { backlog: ['todo', 'cancelled'] },
    });
    const workflow = {
      states: [
        { name: 'open', category: 'start' },
        { name: 'closed', category: 'done' },
      ],
      moves: { open: ['closed'], closed: ['open'] },
    };
    const { body } = await send('create_project', { body: { title: 'own', workflow } });
    expect(body).toMatchObject({ workflow, status: 'open', item_type: 'project', project_id: body['id'] });
    expect(codes(await send('create_project', { body: { title: 'x', workflow: { states: 1 } } }))).toEqual([
      400,
      { workflow: 'invalid_workflow' },
    ]);
    const ids = ((await send('list_projects')).body['items'] as Body[]).map(({ id }) => id);
    expect(ids).toContain(body['id']);
    expect((await send('get_project', { id: (await add()).id })).status).toBe(404);
  });

  it('has a board of lanes with their items in the order of ranks', async () => {
    const own = String((await send('create_project', { body: { title: 'board' } })).body['id']);
    const [first, second] = [await add({ title: 'first' }, own), await add({ title: 'second' }, own)];
    await change(first.id, { status: 'todo' });
    await change(first.id, { status: 'in_progress' });
    const third = await add({ title: 'third' }, own);
    const board = async (query: NonNullable<Request['query']> = {}) =>
      (await send('get_board', { id: own, query })).body as { lanes: Body[]; without_lane: Body };
    const { lanes, without_lane } = await board();
    expect(lanes.map(({ name, statuses, total }) => [name, statuses, total])).toEqual([
      ['To do', ['backlog', 'todo'], 2],
      ['In progress', ['in_progress', 'blocked'], 1],
      ['Review', ['review'], 0],
      ['Done', ['done', 'cancelled'], 0],
    ]);
    expect(lanes.map(titles)).toEqual([['second', 'third'], ['first'], [], []]);
    expect(lanes[0]).toMatchObject({ wip_limit: 0, position: 0, project_id: own });
    expect(without_lane).toEqual({ items: [], total: 0 });
    const [lane] = (await board({ per_lane: 1 })).lanes;
    expect([titles(lane ?? {}), lane?.['total']]).toEqual([['second'], 2]);
    // A status that is in no lane is not lost.
    await stage.call('owner', 'PATCH', records('pm_swim_lanes', String(lanes[0]?.['id'])), {
      statuses: [],
      wip_limit: 3,
    });
    const changed = await board();
    expect([titles(changed.lanes[0] ?? {}), changed.lanes[0]?.['wip_limit']]).toEqual([[], 3]);
    expect(titles(changed.without_lane)).toEqual(['second', 'third']);
    const sprint = await stage.create('member', 'pm_sprints', { project: own, name: 's' });
    await change(third.id, { sprint_id: sprint.id });
    expect(titles((await board({ sprint_id: sprint.id })).without_lane)).toEqual(['third']);
    const backlog = await send('list_backlog', { id: own });
    expect(titles(backlog.body)).toEqual(['first', 'second']);
    await change(second.id, { status: 'cancelled' });
    expect(titles((await send('list_backlog', { id: own })).body)).toEqual(['first']);
    const positions = ((await send('list_swim_lanes', { id: own })).body['items'] as Body[]).map(
      ({ position }) => position,
    );
    expect(positions).toEqual([0, 1, 2, 3]);
  });
});
