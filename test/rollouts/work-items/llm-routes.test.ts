import { afterAll, beforeAll, expect, it } from 'vitest';
import type { OperationName } from '../../../shared/work/api/operations.ts';
import { codes, operate, type Request } from './operate.ts';
import { addItem, addProject, type Body, createWorkStage, type WorkStage } from './stage.ts';

let stage: WorkStage;
let project: string;

beforeAll(async () => {
  stage = await createWorkStage();
  project = (await addProject(stage)).id;
});

afterAll(() => stage?.fathom.dispose());

const send = (name: OperationName, request: Request = {}) => operate(stage, 'member', name, request);
const create = async (name: OperationName, request: Request) => {
  const answer = await send(name, request);
  expect([answer.status, answer.body]).toEqual([201, answer.body]);
  return String(answer.body['id']);
};
const add = (body: object) => create('create_work_item', { body: { project_id: project, ...body } });
const addText = (body: object) =>
  create('create_llm_context', {
    body: { project_id: project, kind: 'note', title: 'title', content: 'content', ...body },
  });
const assemble = async (query: NonNullable<Request['query']>) => {
  const { status, body } = await send('assemble_llm_context', { query });
  expect([status, body]).toEqual([200, body]);
  return body as {
    parts: { kind: string; id: string; text: string; tokens: number }[];
    omitted: Body[];
    tokens: number;
  };
};

it('assembles an item with what is around it, in the order of importance', async () => {
  const epic = await add({ item_type: 'epic', title: 'Epic' });
  const story = await add({
    item_type: 'story',
    title: 'Story é😀',
    parent_id: epic,
    description: 'Do it.',
    labels: ['ui'],
  });
  const task = await add({ item_type: 'task', title: 'Child', parent_id: story });
  const blocker = await add({ item_type: 'task', title: 'Blocker' });
  await create('create_dependency', { id: story, body: { blocker_id: blocker } });
  const general = await addText({ title: 'general' });
  const old = await addText({ title: 'old', work_item_id: story });
  const pinned = await addText({ title: 'pinned', work_item_id: story, pinned: true });
  await send('change_llm_context', { id: old, body: { superseded_by_id: pinned } });
  await addText({ title: 'of another item', work_item_id: task });
  const comment = await create('create_comment', { id: story, body: { body: 'Please.' } });
  const { parts, omitted, tokens } = await assemble({ work_item_id: story });
  expect(parts.map(({ kind, id }) => [kind, id]).slice(0, 8)).toEqual([
    ['item', story],
    ['ancestor', epic],
    ['ancestor', project],
    ['child', task],
    ['blocker', blocker],
    ['context', pinned],
    ['context', general],
    ['comment', comment],
  ]);
  expect(parts[0]?.text).toBe(`# story: Story é😀\n\nid: ${story}\nstatus: backlog\nlabels: ui\n\nDo it.`);
  expect(parts[7]?.text).toMatch(/^\d{4}-.*Z member: Please\.$/);
  expect(parts.at(-1)).toMatchObject({
    kind: 'activity',
    text: expect.stringContaining('member created') as string,
  });
  expect(omitted).toEqual([]);
  expect(parts.reduce((sum, part) => sum + part.tokens, 0)).toBe(tokens);
  const ofProject = await assemble({ project_id: project });
  expect(ofProject.parts[0]).toMatchObject({ kind: 'item', id: project });
  expect(ofProject.parts.filter(({ kind }) => kind === 'context').map(({ id }) => id)).toEqual([general]);
});

it('cuts to the number of tokens, and says what is omitted', async () => {
  const item = await add({ item_type: 'story', title: 'long', description: 'x'.repeat(20_000) });
  for (let count = 0; count < 3; count += 1)
    await add({ item_type: 'task', title: `t${count}`, parent_id: item });
  const { parts, tokens, omitted } = await assemble({ work_item_id: item, max_tokens: 100 });
  expect([parts.length, tokens, parts[0]?.text.length]).toEqual([1, 100, 400]);
  expect(omitted).toMatchObject([
    { kind: 'ancestor', count: 1 },
    { kind: 'child', count: 3 },
    { kind: 'context' },
    { kind: 'activity' },
  ]);
});

it.each<[NonNullable<Request['query']>, number, Record<string, string>]>([
  [{}, 400, { project_id: 'required' }],
  [{ project_id: 'x' }, 404, {}],
  [{ work_item_id: 'x' }, 404, {}],
  [{ project_id: 'x', max_tokens: 99 }, 400, { max_tokens: 'too_small' }],
  [{ project_id: 'x', max_tokens: 200_001 }, 400, { max_tokens: 'too_large' }],
  [{ project_id: 'x', max_tokens: 'all' }, 400, { max_tokens: 'invalid_type' }],
])('refuses %j', async (query, status, expected) => {
  expect(codes(await send('assemble_llm_context', { query }))).toEqual([status, expected]);
});

it('writes, lists, replaces and deletes texts', async () => {
  const own = (await addProject(stage)).id;
  const item = (await addItem(stage, own)).id;
  const body = {
    project_id: own,
    work_item_id: item,
    kind: 'decision',
    title: 'T',
    content: 'é'.repeat(9),
    pinned: true,
    source: 's',
  };
  const { body: added } = await send('create_llm_context', { body });
  expect(added).toMatchObject({
    ...body,
    tokens: 3,
    created_by: { id: stage.ids.member },
    superseded_by_id: null,
  });
  const id = String(added['id']);
  const found = async (query: object) =>
    ((await send('list_llm_contexts', { query: { project_id: own, ...query } })).body['items'] as Body[]).map(
      (text) => text['id'],
    );
  expect(await found({ kind: 'decision', pinned: true, work_item_id: item })).toEqual([id]);
  expect(await found({ pinned: false })).toEqual([]);
  const replaced = await send('replace_llm_context', {
    id,
    body: { kind: 'note', title: 'U', content: 'c' },
  });
  expect(replaced.body).toMatchObject({
    title: 'U',
    pinned: false,
    work_item_id: null,
    source: '',
    tokens: 1,
  });
  const foreign = await add({ item_type: 'task', title: 'other' });
  for (const [field, value] of [
    ['work_item_id', foreign],
    ['work_item_id', own],
    ['superseded_by_id', id],
  ] as const)
    expect(codes(await send('change_llm_context', { id, body: { [field]: value } }))).toEqual([
      400,
      { [field]: 'not_of_project' },
    ]);
  expect(
    codes(await send('assemble_llm_context', { query: { project_id: own, work_item_id: foreign } })),
  ).toEqual([400, { project_id: 'not_of_project' }]);
  expect((await send('delete_llm_context', { id })).status).toBe(204);
  expect(await found({})).toEqual([]);
});

const projectOf = (length: number) => ({ body: { item_type: 'project', title: 'a'.repeat(length) } });

it('describes all operations as tools, and their schemas are those that validate', async () => {
  const { body } = await send('list_llm_tools');
  const tools = body['tools'] as {
    name: string;
    input_schema: { required: string[]; properties: Record<string, { maxLength?: number }> };
  }[];
  const tool = tools.find(({ name }) => name === 'create_work_item');
  expect(tool?.input_schema.required).toEqual(['item_type', 'title']);
  const limit = tool?.input_schema.properties['title']?.maxLength ?? 0;
  expect((await send('create_work_item', projectOf(limit))).status).toBe(201);
  expect(codes(await send('create_work_item', projectOf(limit + 1)))).toEqual([400, { title: 'too_long' }]);
});
