import { FathomError } from '../../../shared/errors.ts';
import type { ClaimedTask } from '../../../shared/hooks/queue-operations.ts';
import type { WebhookTarget } from '../../config/alerts.ts';
import type { MasterKey } from '../../keys/envelope.ts';
import { findHandler, type HandlerOrigin } from '../handler-registry.ts';
import type { DatabaseAccess, RunRequest, WebhookAccess } from '../runner/messages.ts';
import { openPayload } from '../store/payload-secrets.ts';

/** Access of tasks to user databases. The daemon's worker and `fathomd worker` have different implementations. */
export interface TaskHost {
  /**
   * Returns access to the database of a user.
   *
   * @param options.signal aborted when the access is no longer needed
   * @param options.forAll the task is of a schedule over all databases
   * @throws FathomError `not_found` when the user has no database, `instance.not_running`
   * @throws NoDatabaseNow with `forAll`, for a database that is stopped or archived, and without one
   */
  databaseOf(userId: string, options: { signal: AbortSignal; forAll: boolean }): Promise<DatabaseAccess>;
  /** Creates the database of a user if there is none. Returns its name. */
  provision(user: { id: string; email: string }): Promise<{ name: string }>;
}

export interface PreparedTask {
  origin: HandlerOrigin;
  request: Omit<RunRequest, 'leaseMs'>;
  /** Hides the task's secrets. */
  redact: (text: string) => string;
  /** The same in JSON text, which stays JSON. */
  redactJson: (json: string) => string;
  /** Returns a valid token for the user's database. */
  token: () => Promise<string>;
  provision: () => Promise<{ name: string }>;
}

/** Creates a function that converts a claimed task to the request for a runner, with secrets and database access. */
export function createTaskPreparer(deps: {
  host: TaskHost;
  masterKeys: readonly MasterKey[];
  tasksDir: string;
  /** Entries of QUEUE_ALLOWED_TARGETS. */
  allowedTargets: readonly string[];
  eventWebhook: WebhookTarget | null;
}): (task: ClaimedTask, signal: AbortSignal) => Promise<PreparedTask> {
  return async (task, signal) => {
    const handler = findHandler(task.type, deps.tasksDir);
    if (!handler) throw new UnknownType(task.type, deps.tasksDir);
    const { payload, redact, redactJson } = openPayload(task, deps.masterKeys);
    const { user } = task;
    const access = () => {
      if (!user) throw new FathomError('request.invalid', `a task of type '${task.type}' needs a user_id`);
      return deps.host.databaseOf(user.id, { signal, forAll: task.for_all });
    };
    const needsDatabase = handler.database === 'required' || (handler.database === 'if_any' && user !== null);
    const { id, type, attempt, max_attempts, epoch } = task;
    return {
      origin: handler.origin,
      request: {
        kind: 'run',
        module: handler.module,
        payload,
        task: { id, type, attempt, max_attempts, epoch },
        user,
        database: needsDatabase ? await access() : null,
        allowedTargets: deps.allowedTargets,
        webhook: handler.needsWebhook && deps.eventWebhook ? asMessage(deps.eventWebhook) : null,
      },
      redact,
      redactJson,
      token: async () => (await access()).token,
      provision: async () => {
        if (!user) throw new FathomError('request.invalid', `a task of type '${type}' needs a user_id`);
        return deps.host.provision(user);
      },
    };
  };
}

/** In messages, bytes are base64. */
function asMessage({ url, secret }: WebhookTarget): WebhookAccess {
  return { url, secret: Buffer.from(secret).toString('base64') };
}

/** A task of a schedule over all databases has nothing to do: its database was stopped, archived or deleted after it was added. */
export class NoDatabaseNow extends Error {
  constructor() {
    super('the database is stopped, archived or deleted now');
  }
}

class UnknownType extends Error {
  constructor(type: string, tasksDir: string) {
    super(`no handler for '${type}'; put ${type}.ts into ${tasksDir} and retry the task`);
  }
}

/** Whether a retry would be useless until an administrator changes something. */
export function isUnrecoverable(error: unknown): boolean {
  if (error instanceof UnknownType) return true;
  return error instanceof FathomError && ['request.invalid', 'secret.undecryptable'].includes(error.code);
}
