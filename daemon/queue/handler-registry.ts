import { readdirSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { z } from 'zod';
import { describeIssue } from '../../shared/api/contract/value-errors.ts';
import { closestWord } from '../../shared/closest.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { modulePath } from '../base/package.ts';
import { httpPayloadSchema } from './handlers/http-payload.ts';
import { mailPayloadSchema } from './handlers/mail-payload.ts';
import { webhookPayloadSchema } from './handlers/webhook-payload.ts';

/** Who wrote a handler: Fathom or the administrator. */
export type HandlerOrigin = 'own' | 'custom';

export interface FoundHandler {
  origin: HandlerOrigin;
  /** URL of the module. It changes with the file, so that a running process loads the new version. */
  module: string;
  /** Whether the handler needs the user's database. `if_any`: it gets the database when the task has a user. */
  database: 'required' | 'unused' | 'if_any';
  /** The handler gets EVENT_WEBHOOK_URL and its secret. */
  needsWebhook?: true;
}

/** The built-in handlers. */
const BUILT_IN: ReadonlyMap<string, BuiltInHandler> = new Map([
  ['database.provision', builtIn('database-provision', { database: 'unused', needsUser: true })],
  ['database.vacuum', builtIn('database-vacuum', { database: 'required', needsUser: true })],
  ['http.request', builtIn('http-request', { database: 'unused', payload: httpPayloadSchema })],
  [
    'webhook.send',
    builtIn('webhook-send', { database: 'unused', needsWebhook: true, payload: webhookPayloadSchema }),
  ],
  ['mail.send', builtIn('mail-send', { database: 'unused', payload: mailPayloadSchema })],
]);

interface BuiltInHandler extends FoundHandler {
  needsUser?: true;
  payload?: z.ZodType;
}

function builtIn(file: string, handler: Omit<BuiltInHandler, 'module' | 'origin'>): BuiltInHandler {
  const module = pathToFileURL(modulePath(`daemon/queue/handlers/${file}`)).href;
  return { origin: 'own', module, ...handler };
}

const WRITABLE_BY_ALL = 0o002;
/** Files of handlers that administrators add. */
const CUSTOM_SUFFIXES = ['.ts', '.mts', '.js', '.mjs'];

/**
 * Finds the handler of a type. `report.weekly` is the file `report.weekly.ts` (`.mts`, `.js`, `.mjs`) in `tasksDir`; null when
 * there is none.
 *
 * @throws FathomError `request.invalid` when all users of the host can write the file or directory
 */
export function findHandler(type: string, tasksDir: string): FoundHandler | null {
  const known = BUILT_IN.get(type);
  if (known) return known;
  // The type becomes a file name, which must not lead out of the directory.
  if (!/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(type)) return null;
  for (const suffix of CUSTOM_SUFFIXES) {
    const path = join(tasksDir, type + suffix);
    // Synchronous: each call takes a few microseconds, while the thread pool would take longer than the whole claim.
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) continue;
    requireNotWorldWritable(path, found.mode);
    requireNotWorldWritable(tasksDir, statSync(tasksDir).mode);
    const module = `${pathToFileURL(path).href}?changed=${found.mtimeMs}`;
    return { origin: 'custom', module, database: 'if_any' };
  }
  return null;
}

/** Handlers run as the daemon's user, with access to every database. @throws FathomError `request.invalid` */
export function requireNotWorldWritable(path: string, mode: number): void {
  if ((mode & WRITABLE_BY_ALL) === 0) return;
  throw new FathomError(
    'request.invalid',
    `all users of this host can change ${path}, so it is not run; check its content, run 'chmod o-w ${path}' and retry the task`,
  );
}

/** The members of a task that are known before it runs. */
export interface PlannedTask {
  type: string;
  user_id?: string | null | undefined;
  /** Left out when all of it is secret. */
  payload?: unknown;
}

/**
 * Returns why a task will fail now, or null. It is only a warning: another worker may have the handler, and a database may
 * be created before the task runs.
 */
export function predictFailure(
  task: PlannedTask,
  { tasksDir, hasDatabase }: { tasksDir: string; hasDatabase: (userId: string) => boolean },
): string | null {
  const { type, user_id } = task;
  let found: FoundHandler | null;
  try {
    found = findHandler(type, tasksDir);
  } catch (error) {
    return messageOf(error);
  }
  if (!found) return describeUnknownType(type, tasksDir);
  const known = BUILT_IN.get(type);
  const hasUser = user_id !== undefined && user_id !== null;
  if (known?.needsUser && !hasUser) {
    return `'${type}' needs a user and this task has none, so it fails; set user_id ('--user ID')`;
  }
  if (hasUser && found.database !== 'unused' && !hasDatabase(user_id)) {
    return `the user '${user_id}' has no database now, so this task fails; 'fathomd queue add database.provision --user ${user_id}' creates one`;
  }
  if (known?.payload === undefined || !('payload' in task)) return null;
  const parsed = known.payload.safeParse(task.payload, { error: describeIssue });
  return parsed.success ? null : `the payload is invalid, so this task fails: ${messageOf(parsed.error)}`;
}

function describeUnknownType(type: string, tasksDir: string): string {
  const known = [...BUILT_IN.keys(), ...listCustomTypes(tasksDir)].toSorted();
  const meant = closestWord(type, known);
  const question = meant === null ? '.' : `; did you mean '${meant}'?`;
  return `there is no handler '${type}' here now${question} There are ${known.join(', ')}; put ${type}.ts into ${tasksDir} for another`;
}

export function listCustomTypes(tasksDir: string): string[] {
  if (!statSync(tasksDir, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(tasksDir)
    .filter((file) => CUSTOM_SUFFIXES.includes(extname(file)))
    .map((file) => basename(file, extname(file)));
}
