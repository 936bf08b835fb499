import { readdirSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { closestWord } from '../../shared/closest.ts';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { modulePath } from '../base/package.ts';
import { httpPayloadSchema } from './handlers/http-payload.ts';
import { mailPayloadSchema } from './handlers/mail-payload.ts';

export interface FoundHandler {
  /** URL of its module; differs when the file was changed, so that a running process loads it anew. */
  module: string;
  /** What it needs of the user's database. `if_any`: handed over when the task has a user. */
  database: 'required' | 'unused' | 'if_any';
}

/** The handlers of Fathom itself. */
const BUILT_IN: ReadonlyMap<string, BuiltInHandler> = new Map([
  ['database.provision', own('database-provision', { database: 'unused', needsUser: true })],
  ['database.vacuum', own('database-vacuum', { database: 'required', needsUser: true })],
  ['http.request', own('http-request', { database: 'unused', payload: httpPayloadSchema })],
  ['mail.send', own('mail-send', { database: 'unused', payload: mailPayloadSchema })],
]);

interface BuiltInHandler extends FoundHandler {
  needsUser?: true;
  payload?: z.ZodType;
}

function own(file: string, handler: Omit<BuiltInHandler, 'module'>): BuiltInHandler {
  return { module: pathToFileURL(modulePath(`daemon/queue/handlers/${file}`)).href, ...handler };
}

const WRITABLE_BY_ALL = 0o002;
const OF_ADMINISTRATOR = ['.ts', '.mts', '.js', '.mjs'];

/**
 * `report.weekly` is the file `report.weekly.ts` (`.mts`, `.js`, `.mjs`) in `tasksDir`; null when there is none.
 *
 * @throws FathomError `request.invalid` when everybody may write it
 */
export function findHandler(type: string, tasksDir: string): FoundHandler | null {
  const builtIn = BUILT_IN.get(type);
  if (builtIn) return builtIn;
  // A type becomes a file name here: it must never lead out of the directory.
  if (!/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(type)) return null;
  for (const suffix of OF_ADMINISTRATOR) {
    const path = join(tasksDir, type + suffix);
    // A few microseconds each; a turn through the thread pool would cost more than the whole claim does.
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) continue;
    refuseIfOpenToAll(path, found.mode);
    refuseIfOpenToAll(tasksDir, statSync(tasksDir).mode);
    return { module: `${pathToFileURL(path).href}?changed=${found.mtimeMs}`, database: 'if_any' };
  }
  return null;
}

/** What is run here runs as the daemon's user, with access to every database. @throws FathomError `request.invalid` */
function refuseIfOpenToAll(path: string, mode: number): void {
  if ((mode & WRITABLE_BY_ALL) === 0) return;
  throw new FathomError(
    'request.invalid',
    `everybody on this host may change ${path}, so it is not run; 'chmod o-w ${path}', see that it is still yours, and retry the task`,
  );
}

/** What is known of a task before it runs. */
export interface PlannedTask {
  type: string;
  user_id?: string | null | undefined;
  /** Left out where all of it is secret. */
  payload?: unknown;
}

/** Why a task can only fail as things are, or null. A worker elsewhere may still have the handler. */
export function doubtAbout(
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
  if (!found) return unknownType(type, tasksDir);
  const builtIn = BUILT_IN.get(type);
  const hasUser = user_id !== undefined && user_id !== null;
  if (builtIn?.needsUser && !hasUser) {
    return `'${type}' works for a user and this task has none, so it fails; name one with user_id ('--user ID')`;
  }
  if (hasUser && found.database !== 'unused' && !hasDatabase(user_id)) {
    return `the user '${user_id}' has no database now, so this task fails; 'fathomd queue add database.provision --user ${user_id}' makes one`;
  }
  if (builtIn?.payload === undefined || !('payload' in task)) return null;
  const parsed = builtIn.payload.safeParse(task.payload);
  return parsed.success
    ? null
    : `the payload is not right, so this task fails: ${z.prettifyError(parsed.error)}`;
}

function unknownType(type: string, tasksDir: string): string {
  const known = [...BUILT_IN.keys(), ...administrators(tasksDir)].toSorted();
  const meant = closestWord(type, known);
  const question = meant === null ? '.' : `; did you mean '${meant}'?`;
  return `there is no handler '${type}' here now${question} There are ${known.join(', ')}; put ${type}.ts into ${tasksDir} for another`;
}

function administrators(tasksDir: string): string[] {
  if (!statSync(tasksDir, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(tasksDir)
    .filter((file) => OF_ADMINISTRATOR.includes(extname(file)))
    .map((file) => basename(file, extname(file)));
}
