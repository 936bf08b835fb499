import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORD } from '../../helpers/http-call.ts';
import { addItem, addProject, createWorkStage, type Person, records, type WorkStage } from './stage.ts';

const PEOPLE: readonly Person[] = ['owner', 'admin', 'member', 'viewer', 'guest', 'stranger'];
const NOW = '2026-11-27 12:00:00.000Z';

let stage: WorkStage;
let project: string;
let epic: string;
let task: string;
/** Of the person `member`. */
let comment: string;
let entry: string;
let lane: string;
/** Of lanes. Each project has four from its start. */
let position = 10;
let emails = 0;

beforeAll(async () => {
  stage = await createWorkStage();
  project = (await addProject(stage)).id;
  epic = (await addItem(stage, project, 'epic')).id;
  task = (await addItem(stage, project, 'task')).id;
  const { member } = stage.ids;
  comment = (await stage.create('member', 'pm_comments', { work_item: task, author: member, body: 'a' })).id;
  const time = { work_item: task, member, started_at: NOW, ended_at: NOW };
  entry = (await stage.create('member', 'pm_time_entries', time)).id;
  const first = { project, name: 'first', position: 500, statuses: [] };
  lane = (await stage.create('owner', 'pm_swim_lanes', first)).id;
});

afterAll(() => stage?.fathom.dispose());

const idOf = (person: Person) => (person in stage.ids ? stage.ids[person as 'owner'] : stage.ids.member);
const post = (collection: string, body: (person: Person) => object) => (person: Person) =>
  stage.call(person, 'POST', records(collection), body(person));
const patch = (collection: string, id: () => string, body: object) => (person: Person) =>
  stage.call(person, 'PATCH', records(collection, id()), body);
const read = (collection: string, id: () => string) => (person: Person) =>
  stage.call(person, 'GET', records(collection, id()));

type Row = [name: string, send: (person: Person) => ReturnType<WorkStage['call']>, statuses: number[]];

/** Statuses for owner, admin, member, viewer, guest and a stranger, whose token is that of the owner of another database. */
const READERS = [200, 200, 200, 200, 404, 404];
const WRITERS = [200, 200, 200, 400, 400, 400];
const CHANGERS = [200, 200, 200, 404, 404, 404];
const MANAGERS = [200, 200, 400, 400, 400, 400];
const NO_PERSON = [400, 400, 400, 400, 400, 400];
const NOTHING = [404, 404, 404, 404, 404, 404];
const CLOSED = [403, 403, 403, 403, 403, 403];

const newItem = () => ({ item_type: 'task', title: 'new', status: 'backlog', project, parent: project });
const newMember = (role: string) => () => {
  emails += 1;
  const email = `new${emails}@example.com`;
  return { email, password: PASSWORD, passwordConfirm: PASSWORD, role, is_active: true };
};

const ROWS: Row[] = [
  ['reads an item', read('pm_work_items', () => task), READERS],
  ['creates an item', post('pm_work_items', newItem), WRITERS],
  [
    'creates an item in its own name',
    post('pm_work_items', (person) => ({ ...newItem(), created_by: idOf(person) })),
    WRITERS,
  ],
  [
    'creates an item in the name of another',
    post('pm_work_items', (person) => ({
      ...newItem(),
      created_by: person === 'viewer' ? stage.ids.member : stage.ids.viewer,
    })),
    NO_PERSON,
  ],
  ['creates a deleted item', post('pm_work_items', () => ({ ...newItem(), deleted_at: NOW })), NO_PERSON],
  [
    'chooses the version of a new item',
    post('pm_work_items', () => ({ ...newItem(), version: 7 })),
    NO_PERSON,
  ],
  ['changes an item', patch('pm_work_items', () => task, { description: 'changed' }), CHANGERS],
  ['changes the type of an item', patch('pm_work_items', () => task, { item_type: 'story' }), NOTHING],
  ['moves an item to another project', patch('pm_work_items', () => task, { project: '' }), NOTHING],
  ['deletes an item by its field', patch('pm_work_items', () => task, { deleted_at: NOW }), NOTHING],
  ['creates a sprint', post('pm_sprints', () => ({ project, name: 'new', status: 'planned' })), WRITERS],
  [
    'writes a comment',
    post('pm_comments', (person) => ({ work_item: task, author: idOf(person), body: 'b' })),
    WRITERS,
  ],
  [
    'writes a comment in the name of another',
    post('pm_comments', (person) => ({
      work_item: task,
      author: person === 'admin' ? stage.ids.member : stage.ids.admin,
      body: 'b',
    })),
    NO_PERSON,
  ],
  ['reads a comment', read('pm_comments', () => comment), READERS],
  [
    'changes the comment of a member',
    patch('pm_comments', () => comment, { body: 'c' }),
    [404, 404, 200, 404, 404, 404],
  ],
  ['reads the time of a member', read('pm_time_entries', () => entry), [200, 200, 200, 404, 404, 404]],
  [
    'writes its own time',
    post('pm_time_entries', (person) => ({
      work_item: task,
      member: idOf(person),
      started_at: NOW,
      ended_at: NOW,
    })),
    WRITERS,
  ],
  [
    'writes the time of a member',
    post('pm_time_entries', () => ({
      work_item: task,
      member: stage.ids.viewer,
      started_at: NOW,
      ended_at: NOW,
    })),
    MANAGERS,
  ],
  [
    'adds a dependency',
    post('pm_dependencies', () => ({ blocker: task, blocked: epic, kind: 'relates_to' })),
    [200, 400, 400, 400, 400, 400],
  ],
  [
    'writes the activity',
    post('pm_activity_log', () => ({ entity_type: 'x', entity_id: 'x', actor_kind: 'owner', action: 'x' })),
    CLOSED,
  ],
  [
    'adds a swim lane',
    post('pm_swim_lanes', () => ({ project, name: 'new', position: (position += 1) })),
    MANAGERS,
  ],
  [
    'changes a swim lane',
    patch('pm_swim_lanes', () => lane, { name: 'other' }),
    [200, 200, 404, 404, 404, 404],
  ],
  [
    'writes a context',
    post('pm_llm_context', () => ({ project, kind: 'note', title: 'a', content: 'b' })),
    WRITERS,
  ],
  ['reads a member', read('pm_members', () => stage.ids.viewer), READERS],
  ['adds a member', post('pm_members', newMember('member')), MANAGERS],
  ['adds an owner', post('pm_members', newMember('owner')), NO_PERSON],
  [
    'adds a member without an address',
    post('pm_members', () => ({ ...newMember('member')(), email: '' })),
    NO_PERSON,
  ],
  [
    'makes a viewer an administrator',
    patch('pm_members', () => stage.ids.viewer, { role: 'admin' }),
    [200, 404, 404, 404, 404, 404],
  ],
  [
    'gives a viewer the role of a viewer, as the viewer may too',
    patch('pm_members', () => stage.ids.viewer, { role: 'viewer' }),
    [200, 404, 404, 200, 404, 404],
  ],
  ['makes a viewer an owner', patch('pm_members', () => stage.ids.viewer, { role: 'owner' }), NOTHING],
  [
    'demotes the owner',
    patch('pm_members', () => stage.ids.owner, { role: 'viewer' }),
    [400, 404, 404, 404, 404, 404],
  ],
  [
    'renames a member',
    patch('pm_members', () => stage.ids.member, { name: 'other' }),
    [200, 404, 200, 404, 404, 404],
  ],
  [
    'removes a member',
    (person) => stage.call(person, 'DELETE', records('pm_members', stage.ids.viewer)),
    CLOSED,
  ],
];

describe.each(PEOPLE.map((person, index) => [person, index] as const))('%s', (person, index) => {
  it.each(ROWS)('%s', async (_, send, statuses) => {
    const { status, body } = await send(person);
    expect(status, JSON.stringify(body)).toBe(statuses[index]);
  });
});

it('lists items and activity for people of the database only', async () => {
  for (const collection of ['pm_work_items', 'pm_activity_log', 'pm_sprints', 'pm_swim_lanes', 'pm_members'])
    for (const person of ['guest', 'stranger'] as const) {
      const { body } = await stage.call(person, 'GET', records(collection));
      expect(body['totalItems'] ?? 0).toBe(0);
    }
});

it('ends the access of a member who is deactivated', async () => {
  const email = 'leaver@example.com';
  const account = { email, password: PASSWORD, passwordConfirm: PASSWORD, role: 'admin', is_active: false };
  await stage.create('owner', 'pm_members', account);
  const path = '/api/collections/pm_members/auth-with-password';
  const { status } = await stage.call('guest', 'POST', path, { identity: email, password: PASSWORD });
  expect(status).toBe(403);
  const { admin } = stage.ids;
  expect(
    (await stage.call('owner', 'PATCH', records('pm_members', admin), { is_active: false })).status,
  ).toBe(200);
  expect((await stage.call('admin', 'GET', records('pm_work_items', task))).status).toBe(404);
  expect((await stage.call('admin', 'POST', records('pm_work_items'), newItem())).status).toBe(400);
  expect((await stage.call('owner', 'PATCH', records('pm_members', admin), { is_active: true })).status).toBe(
    200,
  );
});

describe('what triggers refuse', () => {
  it.each<[string, () => object]>([
    ['a task without a project', () => ({ ...newItem(), project: '', parent: '' })],
    ['a project in a project', () => ({ ...newItem(), item_type: 'project' })],
    ['an epic below an epic', () => ({ ...newItem(), item_type: 'epic', parent: epic })],
    ['an item below a task', () => ({ ...newItem(), parent: task })],
  ])('%s', async (_, item) => {
    expect((await stage.call('owner', 'POST', records('pm_work_items'), item())).status).toBe(400);
  });

  it('a parent of another project, an epic in a sprint, and a sprint of another project', async () => {
    const other = (await addProject(stage, 'other')).id;
    const foreign = (await addItem(stage, other, 'epic')).id;
    const update = async (id: string, body: object) =>
      (await stage.call('owner', 'PATCH', records('pm_work_items', id), body)).status;
    expect(await update(task, { parent: foreign })).toBe(400);
    expect(await update(task, { parent: epic })).toBe(200);
    const sprint = { name: 'sprint', status: 'planned' };
    const [own, others] = await Promise.all([
      stage.create('owner', 'pm_sprints', { ...sprint, project }),
      stage.create('owner', 'pm_sprints', { ...sprint, project: other }),
    ]);
    expect(await update(epic, { sprint: own.id })).toBe(400);
    expect(await update(task, { sprint: others.id })).toBe(400);
    expect(await update(task, { sprint: own.id })).toBe(200);
  });
});
