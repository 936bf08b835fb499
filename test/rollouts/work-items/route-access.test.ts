import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OperationName } from '../../../shared/work/api/operations.ts';
import { OPERATIONS } from '../../../shared/work/api/operations.ts';
import { operate, type Request } from './operate.ts';
import { addItem, addProject, createWorkStage, type Person, type WorkStage } from './stage.ts';

const PEOPLE: readonly Person[] = ['owner', 'admin', 'member', 'viewer', 'former', 'guest', 'stranger'];
const READERS = [200, 200, 200, 200, 403, 401, 401];
const WRITERS = [200, 200, 200, 403, 403, 401, 401];
const CREATORS = [201, 201, 201, 403, 403, 401, 401];
/** Of the person `member`. */
const AUTHORS = [403, 403, 200, 403, 403, 401, 401];
/** Times of the person `member`. */
const SEERS = [200, 200, 200, 404, 403, 401, 401];
const REMOVERS = [204, 204, 204, 403, 403, 401, 401];

let stage: WorkStage;
let project: string;
let task: string;
let sprint: string;
let comment: string;
let time: string;
let dependency: string;
let text: string;

beforeAll(async () => {
  stage = await createWorkStage();
  project = (await addProject(stage)).id;
  task = (await addItem(stage, project)).id;
  sprint = await newSprint();
  comment = await idOf('create_comment', { body: { body: 'a' } });
  time = await idOf('create_time_entry', { body: TIME });
  text = await newText();
  dependency = await idOf('create_dependency', { body: { blocked_id: await newTask() } });
});

afterAll(() => stage?.fathom.dispose());

const ofTask = (more: Request = {}) => ({ id: task, ...more });
const ofProject = () => ({ id: project });
const newTask = async () => (await addItem(stage, project)).id;
const newSprint = async (status: 'planned' | 'active' = 'planned') => {
  const own = await addProject(stage);
  return (await stage.create('owner', 'pm_sprints', { project: own.id, name: 'sprint', status })).id;
};

const TIME = { started_at: 1_000, ended_at: 61_000 };
/** Of what the person `member` creates on the task. */
const idOf = async (name: OperationName, request: Request) =>
  String((await operate(stage, 'member', name, ofTask(request))).body['id']);

const TEXT = { kind: 'note', title: 'a', content: 'b' };
const newText = () => idOf('create_llm_context', { body: { project_id: project, ...TEXT } });

/** For each operation, a request that is valid, and the statuses that people get. */
const ROWS: { [name in OperationName]: [statuses: number[], request: () => Request | Promise<Request>] } = {
  list_work_items: [READERS, () => ({})],
  create_work_item: [CREATORS, () => ({ body: { item_type: 'task', title: 'new', project_id: project } })],
  get_work_item: [READERS, ofTask],
  replace_work_item: [WRITERS, () => ofTask({ body: { title: 'replaced', status: 'backlog' } })],
  change_work_item: [WRITERS, () => ofTask({ body: { title: 'changed' } })],
  delete_work_item: [REMOVERS, async () => ({ id: await newTask() })],
  move_work_item: [WRITERS, async () => ofTask({ body: { after_id: await newTask() } })],
  restore_work_item: [
    WRITERS,
    async () => {
      const id = await newTask();
      await operate(stage, 'owner', 'delete_work_item', { id });
      return { id };
    },
  ],
  list_projects: [READERS, () => ({})],
  create_project: [CREATORS, () => ({ body: { title: 'new' } })],
  get_project: [READERS, ofProject],
  get_board: [READERS, ofProject],
  list_backlog: [READERS, ofProject],
  list_activity_of_project: [READERS, ofProject],
  list_swim_lanes: [READERS, ofProject],
  list_sprints: [READERS, () => ({ query: { project_id: project } })],
  create_sprint: [CREATORS, () => ({ body: { project_id: project, name: 'new' } })],
  get_sprint: [READERS, () => ({ id: sprint })],
  replace_sprint: [WRITERS, () => ({ id: sprint, body: { name: 'replaced' } })],
  change_sprint: [WRITERS, () => ({ id: sprint, body: { goal: 'changed' } })],
  delete_sprint: [REMOVERS, async () => ({ id: await newSprint() })],
  start_sprint: [WRITERS, async () => ({ id: await newSprint() })],
  complete_sprint: [WRITERS, async () => ({ id: await newSprint('active'), body: {} })],
  list_comments: [READERS, ofTask],
  create_comment: [CREATORS, () => ofTask({ body: { body: 'new' } })],
  get_comment: [READERS, () => ({ id: comment })],
  replace_comment: [AUTHORS, () => ({ id: comment, body: { body: 'changed' } })],
  delete_comment: [
    [204, 204, 204, 403, 403, 401, 401],
    async () => ({ id: await idOf('create_comment', { body: { body: 'a' } }) }),
  ],
  list_times_of_work_item: [READERS, ofTask],
  create_time_entry: [CREATORS, () => ofTask({ body: TIME })],
  list_time_entries: [READERS, () => ({})],
  start_timer: [CREATORS, () => ({ body: { work_item_id: task } })],
  stop_timer: [[200, 200, 200, 409, 403, 401, 401], () => ({ body: {} })],
  get_time_entry: [SEERS, () => ({ id: time })],
  replace_time_entry: [SEERS, () => ({ id: time, body: TIME })],
  change_time_entry: [SEERS, () => ({ id: time, body: { note: 'changed' } })],
  delete_time_entry: [
    [204, 204, 204, 404, 403, 401, 401],
    async () => ({ id: await idOf('create_time_entry', { body: TIME }) }),
  ],
  list_dependencies: [READERS, ofTask],
  create_dependency: [CREATORS, async () => ofTask({ body: { blocked_id: await newTask() } })],
  get_dependency: [READERS, () => ({ id: dependency })],
  delete_dependency: [
    REMOVERS,
    async () => ({ id: await idOf('create_dependency', { body: { blocked_id: await newTask() } }) }),
  ],
  list_activity_of_work_item: [READERS, ofTask],
  assemble_llm_context: [READERS, () => ({ query: { work_item_id: task } })],
  list_llm_contexts: [READERS, () => ({})],
  create_llm_context: [CREATORS, () => ({ body: { project_id: project, ...TEXT } })],
  get_llm_context: [READERS, () => ({ id: text })],
  replace_llm_context: [WRITERS, () => ({ id: text, body: TEXT })],
  change_llm_context: [WRITERS, () => ({ id: text, body: { pinned: true } })],
  delete_llm_context: [REMOVERS, async () => ({ id: await newText() })],
  list_llm_tools: [READERS, () => ({})],
};

describe.each(PEOPLE.map((person, index) => [person, index] as const))('%s', (person, index) => {
  it.each(Object.keys(OPERATIONS) as OperationName[])('%s', async (name) => {
    const [statuses, request] = ROWS[name];
    const { status, body } = await operate(stage, person, name, await request());
    expect(status, JSON.stringify(body)).toBe(statuses[index]);
  });
});

/** Ids that are no id of a record that the operation is about. */
const STRANGE_IDS = ['x', '0', ' ', '%', "' OR 1=1 --", '../projects', 'é😀', 'a'.repeat(3000)];

it.each(
  (Object.keys(OPERATIONS) as OperationName[]).filter((name) => OPERATIONS[name].path.includes('{id}')),
)('%s finds nothing by a strange id, or by that of a deleted item', async (name) => {
  const gone = await newTask();
  await operate(stage, 'owner', 'delete_work_item', { id: gone });
  const { body } = await ROWS[name][1]();
  for (const id of name === 'restore_work_item' ? STRANGE_IDS : [...STRANGE_IDS, gone]) {
    const answer = await operate(stage, 'owner', name, { id, body });
    expect([answer.status, id]).toEqual([404, id]);
  }
});

const BODIES: unknown[] = [null, [], [{}], 'text', 7, { constructor: 1, ['__proto__']: 2 }, { unknown: 'x' }];

it.each(
  (Object.entries(OPERATIONS) as [OperationName, (typeof OPERATIONS)[OperationName]][])
    .filter(([, operation]) => 'body' in operation)
    .map(([name]) => name),
)('%s refuses a body of another form', async (name) => {
  const { id } = await ROWS[name][1]();
  for (const body of BODIES) {
    const { status } = await operate(stage, 'owner', name, { ...(id === undefined ? {} : { id }), body });
    expect([status, body]).toEqual([400, body]);
  }
});

it.each(
  (Object.entries(OPERATIONS) as [OperationName, (typeof OPERATIONS)[OperationName]][])
    .filter(([, operation]) => 'query' in operation && 'page' in operation.query.properties)
    .map(([name]) => name),
)('%s has bounds', async (name) => {
  const request = await ROWS[name][1]();
  const list = async (query: NonNullable<Request['query']>) =>
    operate(stage, 'viewer', name, { ...request, query });
  expect((await list({ page: 1, per_page: 200 })).status).toBe(200);
  for (const query of [
    { per_page: 201 },
    { per_page: 0 },
    { per_page: 'all' },
    { page: 0 },
    { page: -1 },
    { page: '1e9' },
  ])
    expect([(await list(query)).status, query]).toEqual([400, query]);
  expect((await list({ page: 1_000_000 })).body['items']).toEqual([]);
  expect((await list({ pages: 1 })).status).toBe(400);
});
