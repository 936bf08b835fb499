/** Sends a POST request to the application `work-items` of a database, as its owner. Returns the answer. @throws an Error */
export type SendToOwn = (path: string, body: object) => Promise<{ id: string }>;

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** Creates a project with an item of each type, a sprint, comments, times and a dependency, by the routes of the application. */
export async function seedProject(send: SendToOwn, nowMs: number): Promise<void> {
  const { id: project_id } = await send('/api/v1/projects', {
    title: 'Website',
    description: 'The new website of the company.',
  });
  const add = (item_type: string, title: string, values: object = {}) =>
    send('/api/v1/work-items', { item_type, title, project_id, ...values });
  const move = async (id: string, ...statuses: string[]) => {
    for (const status of statuses) await send(`/api/v1/work-items/${id}/move`, { status });
  };
  const { id: sprint_id } = await send('/api/v1/sprints', {
    project_id,
    name: 'Sprint 1',
    goal: 'Customers can find a product and order it.',
    start_date: nowMs - 3 * DAY_MS,
    end_date: nowMs + 11 * DAY_MS,
  });
  const epic = await add('epic', 'Shop', { description: 'Everything around orders.', priority: 3 });
  const search = await add('story', 'Customers search products', {
    parent_id: epic.id,
    sprint_id,
    points: 5,
  });
  const order = await add('story', 'Customers order products', { parent_id: epic.id, sprint_id, points: 8 });
  const index = await add('task', 'Create the search index', {
    parent_id: search.id,
    sprint_id,
    labels: ['database'],
  });
  const page = await add('task', 'Design the page of results', {
    parent_id: search.id,
    sprint_id,
    labels: ['design'],
  });
  const payment = await add('task', 'Connect the payment service', {
    parent_id: order.id,
    sprint_id,
    priority: 4,
    due_date: nowMs + 7 * DAY_MS,
  });
  await add('task', 'Write the legal notice', { description: 'Ask the lawyers first.' });
  await send(`/api/v1/work-items/${payment.id}/dependencies`, { blocker_id: page.id });
  await send(`/api/v1/sprints/${sprint_id}/start`, {});
  await move(index.id, 'todo', 'in_progress', 'done');
  await move(page.id, 'todo', 'in_progress');
  await move(search.id, 'todo', 'in_progress');
  await move(order.id, 'todo');
  await send(`/api/v1/work-items/${page.id}/comments`, { body: 'A first draft is ready.' });
  await send(`/api/v1/work-items/${page.id}/comments`, { body: 'The table needs less space.' });
  await send(`/api/v1/work-items/${index.id}/time-entries`, {
    started_at: nowMs - DAY_MS,
    ended_at: nowMs - DAY_MS + 2 * HOUR_MS,
    note: 'With 10,000 products',
  });
}
