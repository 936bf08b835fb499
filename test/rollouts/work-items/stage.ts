import { createDeployment, type Daemon, type Deployment } from '../../helpers/deployment.ts';
import { instance, signUp, type Tenant, untilRunning } from '../../helpers/fleet-actions.ts';
import { PASSWORD } from '../../helpers/http-call.ts';

export const WITH_WORK_ITEMS = { FATHOM_APPS: 'documents,work-items' };

/** `former` is a member who is deactivated and still has a token; `stranger` is the owner of another database. */
export type Person = 'owner' | 'admin' | 'member' | 'viewer' | 'guest' | 'stranger' | 'former';

export type Body = Record<string, unknown>;

export interface Answer {
  status: number;
  body: Body;
}

/** A database with work items, and people who have access to it or not. */
export interface WorkStage {
  fathom: Deployment;
  daemon: Daemon;
  tenant: Tenant;
  /** Ids of members. */
  ids: Record<'owner' | 'admin' | 'member' | 'viewer' | 'former', string>;
  call(
    person: Person,
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  /** Creates a record. @throws when it is refused */
  create(person: Person, collection: string, body: unknown): Promise<Body & { id: string }>;
}

export async function createWorkStage(): Promise<WorkStage> {
  const fathom = await createDeployment(WITH_WORK_ITEMS);
  const daemon = await fathom.start();
  const [tenant, other] = [await signUp(fathom, 'work'), await signUp(fathom, 'stranger')];
  await untilRunning(fathom, tenant.name);
  const { url } = await instance(fathom, tenant.name);
  const tokens: Partial<Record<Person, string>> = { owner: tenant.ownerToken, stranger: other.ownerToken };
  const call: WorkStage['call'] = (person, method, path, body, headers) =>
    callAt(String(url), tokens[person], method, path, body, headers);
  const create: WorkStage['create'] = async (person, collection, body) => {
    const answer = await call(person, 'POST', records(collection), body);
    if (answer.status !== 200)
      throw new Error(`${collection}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as Body & { id: string };
  };
  const ids = { owner: tenant.userId, admin: '', member: '', viewer: '', former: '' };
  for (const name of ['admin', 'member', 'viewer', 'former'] as const) {
    const email = `${name}@example.com`;
    const account = {
      email,
      password: PASSWORD,
      passwordConfirm: PASSWORD,
      name,
      role: name === 'former' ? 'admin' : name,
      is_active: true,
    };
    ids[name] = (await create('owner', 'pm_members', account)).id;
    const path = '/api/collections/pm_members/auth-with-password';
    const { body } = await call('guest', 'POST', path, { identity: email, password: PASSWORD });
    tokens[name] = String(body['token']);
  }
  await call('owner', 'PATCH', records('pm_members', ids.former), { is_active: false });
  return { fathom, daemon, tenant, ids, call, create };
}

export function records(collection: string, id?: string): string {
  return `/api/collections/${collection}/records${id === undefined ? '' : `/${id}`}`;
}

async function callAt(
  url: string,
  token: string | undefined,
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...headers,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Body) };
}

/** A project of the owner. */
export function addProject({ create }: Pick<WorkStage, 'create'>, title = 'project') {
  return create('owner', 'pm_work_items', { item_type: 'project', title, status: 'backlog' });
}

/** An item directly below a project. */
export function addItem(
  { create }: Pick<WorkStage, 'create'>,
  project: string,
  item_type: 'epic' | 'story' | 'task' = 'task',
) {
  const item = { item_type, title: item_type, status: 'backlog', project, parent: project };
  return create('owner', 'pm_work_items', item);
}
