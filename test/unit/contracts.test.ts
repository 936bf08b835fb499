import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createLog } from '../../daemon/base/log/log.ts';
import { COMMANDS } from '../../daemon/cli/commands.ts';
import type { Api } from '../../daemon/http/serve.ts';
import { createApi } from '../../daemon/http/server.ts';
import { registerRoutes, type Services } from '../../daemon/startup/routes.ts';
import type { Endpoint, Resource } from '../../shared/api/contract/endpoint.ts';
import { ENDPOINTS, RESOURCES } from '../../shared/api/resources.ts';
import { work } from '../../shared/api/work/endpoints.ts';
import { createClient } from '../../shared/client/fathom-client.ts';

/** The command of each operation. */
const COMMAND_OF: Readonly<Record<string, string>> = {
  planMigrations: 'migrations plan',
  applyMigrations: 'migrations apply',
  planApplication: 'apps add',
  addApplication: 'apps add',
  removeApplication: 'apps remove',
  planRollout: 'pocketbase upgrade',
  startRollout: 'pocketbase upgrade',
  getRollout: 'pocketbase status',
  pauseRollout: 'pocketbase pause',
  resumeRollout: 'pocketbase resume',
  abortRollout: 'pocketbase abort',
  restoreBackup: 'backups restore',
  importArchive: 'backups import',
  downloadBackup: 'backups export',
  exportCollection: 'backups export',
  exportUser: 'users export',
  listUsers: 'users list',
  createUser: 'users add',
  getUser: 'users show',
  updateUser: 'users set',
  deleteUser: 'users delete',
  createInvitation: 'invitations create',
  sendVerificationMail: 'users verify-mail',
  sendTestMail: 'mail test',
  testAlerts: 'alerts test',
  endSessions: 'users sign-out',
  listApiKeys: 'keys list',
  createApiKey: 'keys add',
  deleteApiKey: 'keys revoke',
  listDatabases: 'databases list',
  getDatabase: 'databases show',
  startDatabase: 'databases start',
  stopDatabase: 'databases stop',
  sleepDatabase: 'databases sleep',
  wakeDatabase: 'databases wake',
  restartDatabase: 'databases restart',
  pinDatabase: 'databases pin',
  deleteDatabase: 'databases delete',
  listTrash: 'databases list',
  archiveDatabase: 'databases archive',
  undeleteDatabase: 'databases undelete',
  eraseDatabase: 'databases erase',
  getDatabaseLogs: 'databases logs',
  listCollections: 'databases collections',
  listRecords: 'databases records',
  listUsage: 'databases usage',
  getUsage: 'databases usage',
  getMigrations: 'migrations status',
  listApplications: 'apps list',
  checkApplication: 'apps check',
  createTask: 'queue add',
  listTaskTypes: 'queue types',
  listTasks: 'queue list',
  getTask: 'queue show',
  retryTask: 'queue retry',
  cancelTask: 'queue cancel',
  pauseQueue: 'queue pause',
  resumeQueue: 'queue resume',
  listDeadLetters: 'queue dead',
  retryDeadLetters: 'queue retry',
  listSchedules: 'queue schedules',
  setSchedule: 'queue schedule',
  deleteSchedule: 'queue unschedule',
  listAudit: 'audit list',
  verifyAudit: 'audit verify',
  getAuditArchive: 'audit archive',
  listFleetBackups: 'backups list',
  listBackups: 'backups list',
  createBackup: 'backups create',
  createRecoveryKey: 'backups recovery-key',
  drillBackup: 'backups drill',
  checkEscrow: 'backups drill',
  pruneBackups: 'backups prune',
  verifyBackups: 'backups verify',
  getSecrets: 'secrets status',
  rotateSecrets: 'secrets rotate',
  getAdvisories: 'pocketbase advisories',
  listNodes: 'nodes list',
  moveDatabase: 'databases move',
  drainNode: 'nodes drain',
  undrainNode: 'nodes undrain',
  removeNode: 'nodes remove',
  getStatus: 'status',
  getDoctorReport: 'doctor',
};

const OF_ACCOUNTS = 'applications call it with the account of their user';
const OF_EARLIER_CLIENTS = 'earlier clients call it; the resource databases has the commands';
const OF_MONITORING = 'load balancers and Prometheus read it over HTTP';
const IN_CONSOLE = 'the console shows it as it changes';

/** Why the other operations have no command. */
const WITHOUT_COMMAND: Readonly<Record<string, string>> = {
  register: OF_ACCOUNTS,
  login: OF_ACCOUNTS,
  exchangeToken: OF_ACCOUNTS,
  listSignInProviders: OF_ACCOUNTS,
  signInByProvider: OF_ACCOUNTS,
  refreshSession: OF_ACCOUNTS,
  logout: OF_ACCOUNTS,
  getMe: OF_ACCOUNTS,
  getMyDatabase: OF_ACCOUNTS,
  createTicket: OF_ACCOUNTS,
  changeOwnPassword: OF_ACCOUNTS,
  changeOwnAddress: OF_ACCOUNTS,
  deleteOwnAccount: OF_ACCOUNTS,
  undeleteOwnAccount: OF_ACCOUNTS,
  requestVerification: OF_ACCOUNTS,
  verifyAddress: OF_ACCOUNTS,
  requestPasswordReset: OF_ACCOUNTS,
  resetPassword: OF_ACCOUNTS,
  confirmEmailChange: OF_ACCOUNTS,
  initInstance: OF_EARLIER_CLIENTS,
  getInstanceStatus: OF_EARLIER_CLIENTS,
  stopInstance: OF_EARLIER_CLIENTS,
  listInstances: OF_EARLIER_CLIENTS,
  getHealth: OF_MONITORING,
  getReadiness: OF_MONITORING,
  getFleetHealth: OF_MONITORING,
  getMetrics: OF_MONITORING,
  getOpenApi: 'programs read it over HTTP',
  listEvents: IN_CONSOLE,
  getDatabaseMetrics: IN_CONSOLE,
  getDaemonLog: 'journalctl and the log file have it',
  getQueueStats: 'status shows the numbers',
  findDatabasePort: 'the reverse proxy asks for it',
  ...Object.fromEntries(Object.values(work).map(({ operationId }) => [operationId, OF_ACCOUNTS])),
};

const ids = ENDPOINTS.map(({ operationId }) => operationId);

describe('the declared endpoints', () => {
  it('has one tag of each name', () => {
    const tags = new Set(ENDPOINTS.map(({ tag }) => tag));
    expect([...tags].map(({ name }) => name).toSorted()).toEqual(
      [...new Set([...tags].map(({ name }) => name))].toSorted(),
    );
  });

  it('are all in the list of resources, each once', async () => {
    const exported = (await contracts()).flatMap((module) => Object.values(module)).filter(isEndpoint);
    // One table declares those of work items.
    const declared = [...exported, ...Object.values(work)];
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.toSorted()).toEqual(declared.map(({ operationId }) => operationId).toSorted());
  });

  it('are the public routes of the server', async () => {
    const registered: string[] = [];
    const hidden: string[] = [];
    const api = await createApi(services(), 'socket', (app: Api) => {
      app.addHook('onRoute', ({ method, url, config, schema }) => {
        if (method === 'HEAD') return;
        if (config?.operationId !== undefined) registered.push(config.operationId);
        else if (schema?.hide === true) hidden.push(url);
        else throw new Error(`${String(method)} ${url} is not declared`);
      });
      registerRoutes(app, services());
    });
    await api.close();
    expect(registered.toSorted()).toEqual(ids.toSorted());
    for (const url of hidden) expect(url).toMatch(/^\/(?:$|assets\/|internal\/|account\/|docs(?:\/|$))/);
  });

  it('have one method of the client each', () => {
    const client = createClient({ target: { socketPath: '/nowhere' } });
    const methods = Object.entries<object>(client).flatMap(([resource, its]) =>
      Object.keys(its)
        .filter((name) => name !== 'all')
        .map((name) => `${resource}.${name}`),
    );
    const declared = Object.entries<Resource>(RESOURCES).flatMap(([resource, its]) =>
      Object.keys(its).map((name) => `${resource}.${name}`),
    );
    expect(methods).toEqual(declared);
    expect(methods).toHaveLength(ENDPOINTS.length);
  });

  it('have a command, or a reason to have none', () => {
    const commands = new Set(COMMANDS.map(({ words }) => words.join(' ')));
    const derived = ENDPOINTS.filter(({ command }) => command).map(({ operationId }) => operationId);
    const listed = [...derived, ...Object.keys(COMMAND_OF), ...Object.keys(WITHOUT_COMMAND)];
    expect(listed.toSorted()).toEqual(ids.toSorted());
    for (const command of Object.values(COMMAND_OF)) expect(commands).toContain(command);
    // A derived command would replace another one of its name.
    expect(commands.size).toBe(COMMANDS.length);
  });

  it('send either a query or a body, as the methods of the client expect', () => {
    const both = ENDPOINTS.filter(({ query, body }) => query !== undefined && body !== undefined);
    expect(both.map(({ operationId }) => operationId)).toEqual([]);
  });

  it('declare no shape of a body or response twice', () => {
    const shapes = new Map<string, Set<object>>();
    // A request that replaces a work item requires what one that changes it does not.
    const ofWork = new Set(Object.values(work).map(({ operationId }) => operationId));
    for (const { operationId, body, responses } of ENDPOINTS) {
      const own = ofWork.has(operationId) ? undefined : body;
      for (const schema of [own, ...Object.values(responses).map((response) => response.schema)])
        if (schema !== undefined) collectShapes(schema, shapes);
    }
    const twice = [...shapes].flatMap(([keys, found]) => (found.size > 1 ? [keys] : []));
    expect(twice).toEqual([]);
    expect(shapes.size).toBeGreaterThan(40);
  });
});

function isEndpoint(value: unknown): value is Endpoint {
  return typeof value === 'object' && value !== null && 'operationId' in value;
}

/** Every module of `shared/api`. */
async function contracts(): Promise<Record<string, unknown>[]> {
  const root = join(import.meta.dirname, '../../shared/api');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const sources = files.filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'));
  return Promise.all(sources.map((file) => import(join(root, file)) as Promise<Record<string, unknown>>));
}

/** Services without behaviour: routes are registered and never called. */
function services(): Services {
  const known: Record<string, unknown> = {
    log: createLog({ level: 'silent' }),
    settings: { corsOrigins: [], limits: {} },
    trustedProxies: [],
  };
  return new Proxy(known, {
    get: (target, name) => (name in target ? target[String(name)] : () => {}),
  }) as unknown as Services;
}

/** Keys of a shape that is made for each list, and of the same shape with other values. */
const REPEATED = new Set(['items,page,per_page,total', 'instance,message,success']);

function collectShapes(schema: z.ZodType, shapes: Map<string, Set<object>>): void {
  if (schema instanceof z.ZodObject) {
    const { shape } = schema;
    const keys = Object.keys(shape).toSorted().join();
    if (Object.keys(shape).length > 1 && !REPEATED.has(keys)) {
      const found = shapes.get(keys) ?? new Set<object>();
      if (![...found].some((one) => isSameShape(one as typeof shape, shape))) found.add(shape);
      shapes.set(keys, found);
    }
    for (const member of Object.values(shape)) collectShapes(member as z.ZodType, shapes);
  } else if (schema instanceof z.ZodArray) collectShapes(schema.element as z.ZodType, shapes);
  else if (
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault
  )
    collectShapes(schema.unwrap() as z.ZodType, shapes);
}

/** `meta` and `extend` copy a schema and keep its members. */
function isSameShape(a: z.ZodRawShape, b: z.ZodRawShape): boolean {
  return Object.entries(a).every(([name, member]) => b[name] === member);
}
