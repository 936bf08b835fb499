import type { MigrationStatus } from '../api/migrations.ts';
import type { AuditEntry } from '../audit.ts';
import { FathomError } from '../errors.ts';
import type { LogLevelName, LogSource, LogTail } from '../events.ts';
import type { Instance, Probe, Usage } from '../instance.ts';
import type { JournalEntry } from '../journal.ts';
import type { Page, Session } from '../protocol.ts';
import type { DaemonStatus } from '../status.ts';
import type { DeadGroup, NewSchedule, NewTask, QueueStats, Schedule, Task, TaskSummary } from '../task.ts';
import { HttpClient, type HttpClientOptions } from './http.ts';

export interface PageQuery {
  page?: number | undefined;
  per_page?: number | undefined;
  sort?: string | undefined;
}

export interface User {
  id: string;
  email: string;
  name: string;
  role: string;
  is_active: boolean;
  created: string;
  /** Name of the user's database, if there is one. */
  database: string | null;
}

/** Where a user is signed in. */
export interface SessionRow {
  id: string;
  user_id: string;
  user_agent: string;
  address: string;
  created: string;
  expires_at: string;
  /** The session of the caller. */
  current: boolean;
}

/** A key of a program; the key itself is shown once, when it is made. */
export interface ApiKey {
  id: string;
  user_id: string;
  name: string;
  prefix: string;
  permissions: string[];
  expires_at: string | null;
  last_used_at: string | null;
  created: string;
}

export interface DoctorFinding {
  id: string;
  level: 'ok' | 'warning' | 'fatal';
  summary: string;
  /** What to do; null when nothing is wrong. */
  remedy: string | null;
}

export interface DoctorReport {
  at: string;
  findings: DoctorFinding[];
}

export interface DaemonLogLine {
  at: string;
  level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  text: string;
}

export interface AuditQuery extends Omit<PageQuery, 'sort'> {
  action?: string | undefined;
  actor?: string | undefined;
  target?: string | undefined;
  outcome?: string | undefined;
}

export interface TaskFilter {
  status?: string | undefined;
  type?: string | undefined;
  user_id?: string | undefined;
  signature?: string | undefined;
}

export interface NewUser {
  email: string;
  password: string;
  name?: string;
  role?: string;
  /** Fields that the administrator has added to the accounts. */
  [field: string]: unknown;
}

/** A collection of a user database, for browsing. */
export interface Collection {
  name: string;
  type: string;
  /** PocketBase's own. */
  system: boolean;
  /** Null when they could not be counted. */
  records: number | null;
}

export interface InstanceMetrics {
  usage: Usage | null;
  probe: Probe | null;
  /** The last ones, oldest first. */
  probes: Probe[];
  restarts: number;
}

export type DatabaseRecord = Readonly<Record<string, unknown>>;

interface CallOptions {
  signal?: AbortSignal | undefined;
}

/** The most that the API gives at once. */
const MAX_PAGE = 500;
/** Longer than the daemon itself waits for an instance to start or stop. */
const ACTION_TIMEOUT_MS = 120_000;
/** Longer than the daemon waits for the control plane, so that nobody who gives up leaves a task behind unknowingly. */
const ADD_TIMEOUT_MS = 30_000;

/** Version 1 of the API, method by method; see `docs/api.md`. Errors are those of `HttpClient.request`. */
export class FathomClient {
  readonly http: HttpClient;

  constructor(options: HttpClientOptions) {
    this.http = new HttpClient(options);
  }

  status(options: CallOptions = {}): Promise<DaemonStatus> {
    return this.http.request('GET', '/api/v1/status', options);
  }

  /** A one-use ticket for `?ticket=` of the stream. */
  wsTicket(): Promise<{ ticket: string }> {
    return this.http.request('POST', '/api/v1/ws-ticket', { body: {} });
  }

  readonly auth = {
    login: (body: { email: string; password: string }): Promise<Session> =>
      this.http.request('POST', '/api/v1/auth/login', { body }),
    register: (body: { email: string; password: string; name?: string }): Promise<Session> =>
      this.http.request('POST', '/api/v1/auth/register', { body, timeoutMs: ACTION_TIMEOUT_MS }),
    /** A session for a token of the global PocketBase. */
    exchange: (token: string): Promise<Session> =>
      this.http.request('POST', '/api/v1/auth/exchange', { body: { token }, timeoutMs: ACTION_TIMEOUT_MS }),
    /** A new session for the present one, which ends. */
    refresh: (): Promise<Session> => this.http.request('POST', '/api/v1/auth/refresh', { body: {} }),
  };

  readonly migrations = {
    status: (options: CallOptions = {}): Promise<MigrationStatus> =>
      this.http.request('GET', '/api/v1/migrations', options),
  };

  readonly databases = {
    list: (query: PageQuery = {}, options: CallOptions = {}): Promise<Page<Instance>> =>
      this.http.request('GET', '/api/v1/databases', { ...options, query: { ...query } }),
    all: (): Promise<Instance[]> => allPages((query) => this.databases.list(query)),
    get: (name: string, options: CallOptions = {}): Promise<Instance> =>
      this.http.request('GET', databasePath(name), options),
    /** These three answer once the phase is reached. `force` starts what has failed for good, too. */
    start: (name: string, { force = false }: { force?: boolean } = {}): Promise<Instance> =>
      this.#act(name, 'start', { force }),
    stop: (name: string): Promise<Instance> => this.#act(name, 'stop', {}),
    restart: (name: string): Promise<Instance> => this.#act(name, 'restart', {}),
    /** With all its data. */
    delete: (name: string): Promise<void> =>
      this.http.request('DELETE', databasePath(name), { timeoutMs: ACTION_TIMEOUT_MS }),
    logs: (
      name: string,
      query: { tail?: number | undefined; source?: LogSource; level?: LogLevelName | undefined } = {},
      options: CallOptions = {},
    ) =>
      this.http.request<LogTail>('GET', `${databasePath(name)}/logs`, {
        ...options,
        query,
      }),
    metrics: (name: string, options: CallOptions = {}) =>
      this.http.request<InstanceMetrics>('GET', `${databasePath(name)}/metrics`, options),
    collections: (name: string, options: CallOptions = {}): Promise<Page<Collection>> =>
      this.http.request('GET', `${databasePath(name)}/collections`, {
        ...options,
        query: { per_page: MAX_PAGE },
      }),
    records: (
      name: string,
      collection: string,
      query: PageQuery = {},
      options: CallOptions = {},
    ): Promise<Page<DatabaseRecord>> =>
      this.http.request('GET', `${databasePath(name)}/collections/${segment(collection)}/records`, {
        ...options,
        query: { ...query },
      }),
  };

  /** What is right and wrong with the daemon's host. */
  doctor(): Promise<DoctorReport> {
    return this.http.request('GET', '/api/v1/doctor', { timeoutMs: ACTION_TIMEOUT_MS });
  }

  /** The last lines of the daemon's own log, oldest first. */
  daemonLog(tail: number): Promise<{ lines: DaemonLogLine[] }> {
    return this.http.request('GET', '/api/v1/daemon/log', { query: { tail } });
  }

  /** What happened to the instances, oldest first. */
  events(query: { name?: string | undefined; limit?: number } = {}): Promise<Page<JournalEntry>> {
    return this.http.request('GET', '/api/v1/events', { query });
  }

  /** Who did what, the newest first. */
  audit(query: AuditQuery = {}): Promise<Page<AuditEntry>> {
    return this.http.request('GET', '/api/v1/audit', { query: { ...query } });
  }

  readonly users = {
    list: (
      query: PageQuery & { email?: string; search?: string | undefined } = {},
      options: CallOptions = {},
    ): Promise<Page<User>> => this.http.request('GET', '/api/v1/users', { ...options, query: { ...query } }),
    all: (): Promise<User[]> => allPages((query) => this.users.list(query)),
    get: (id: string): Promise<User> => this.http.request('GET', userPath(id)),
    add: (body: NewUser): Promise<User> =>
      this.http.request('POST', '/api/v1/users', { body, timeoutMs: ACTION_TIMEOUT_MS }),
    update: (id: string, body: { role?: string; is_active?: boolean }): Promise<User> =>
      this.http.request('PATCH', userPath(id), { body }),
    delete: (id: string): Promise<void> =>
      this.http.request('DELETE', userPath(id), { timeoutMs: ACTION_TIMEOUT_MS }),
    /** Ends all sessions and tokens of one; with `keys`, its API keys as well. */
    signOut: (id: string, { keys = false }: { keys?: boolean } = {}): Promise<void> =>
      this.http.request('DELETE', '/api/v1/sessions', { query: { user_id: id, keys: String(keys) } }),
  };

  readonly sessions = {
    /** Of all users. */
    list: (query: Omit<PageQuery, 'sort'> = {}): Promise<Page<SessionRow>> =>
      this.http.request('GET', '/api/v1/sessions', { query: { ...query, all: 'true' } }),
    end: (id: string): Promise<void> => this.http.request('DELETE', `/api/v1/sessions/${segment(id)}`),
  };

  readonly apiKeys = {
    list: (query: Omit<PageQuery, 'sort'> = {}): Promise<Page<ApiKey>> =>
      this.http.request('GET', '/api/v1/api-keys', { query: { ...query } }),
    revoke: (id: string): Promise<void> => this.http.request('DELETE', `/api/v1/api-keys/${segment(id)}`),
  };

  readonly queue = {
    add: (body: NewTask): Promise<Task> =>
      this.http.request('POST', '/api/v1/queue/tasks', { body, timeoutMs: ADD_TIMEOUT_MS }),
    list: (query: PageQuery & TaskFilter = {}): Promise<Page<TaskSummary>> =>
      this.http.request('GET', '/api/v1/queue/tasks', { query: { ...query } }),
    get: (id: string): Promise<Task> => this.http.request('GET', taskPath(id)),
    cancel: (id: string): Promise<Task> => this.http.request('POST', `${taskPath(id)}/cancel`, { body: {} }),
    retry: (id: string): Promise<Task> => this.http.request('POST', `${taskPath(id)}/retry`, { body: {} }),
    stats: (): Promise<QueueStats> => this.http.request('GET', '/api/v1/queue/stats'),
    pause: (): Promise<QueueStats> => this.http.request('POST', '/api/v1/queue/pause', { body: {} }),
    resume: (): Promise<QueueStats> => this.http.request('POST', '/api/v1/queue/resume', { body: {} }),
    /** Kinds of errors among the dead letters. */
    dead: (): Promise<Page<DeadGroup>> => this.http.request('GET', '/api/v1/queue/dead'),
    retryDead: (signature: string): Promise<{ ids: string[] }> =>
      this.http.request('POST', '/api/v1/queue/dead/retry', { body: { signature } }),
    schedules: (): Promise<Page<Schedule>> => this.http.request('GET', '/api/v1/queue/schedules'),
    setSchedule: (name: string, body: NewSchedule): Promise<Schedule> =>
      this.http.request('PUT', schedulePath(name), { body }),
    removeSchedule: (name: string): Promise<void> => this.http.request('DELETE', schedulePath(name)),
  };

  #act(name: string, action: 'start' | 'stop' | 'restart', body: object): Promise<Instance> {
    return this.http.request('POST', `${databasePath(name)}/${action}`, {
      body,
      timeoutMs: ACTION_TIMEOUT_MS,
    });
  }
}

function databasePath(name: string): string {
  return `/api/v1/databases/${segment(name)}`;
}

function taskPath(id: string): string {
  return `/api/v1/queue/tasks/${segment(id)}`;
}

function schedulePath(name: string): string {
  return `/api/v1/queue/schedules/${segment(name)}`;
}

function userPath(id: string): string {
  return `/api/v1/users/${segment(id)}`;
}

/** One place of a path. Encoding leaves `.` and `..` as they are, and a URL then resolves them. */
function segment(text: string): string {
  if (['', '.', '..'].includes(text))
    throw new FathomError('request.invalid', `'${text}' is no name; see the list`);
  return encodeURIComponent(text);
}

/** One page after another; what is added or removed meanwhile may be missed or come twice, as with any paging. */
async function allPages<T>(list: (query: PageQuery) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  for (let page = 1; ; page++) {
    const answer = await list({ page, per_page: MAX_PAGE });
    items.push(...answer.items);
    if (answer.items.length === 0 || items.length >= answer.total) return items;
  }
}
