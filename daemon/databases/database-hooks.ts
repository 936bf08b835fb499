import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { PhaseReason } from '../../shared/api/instances.ts';
import type { Clock } from '../base/time/clock.ts';
import type { Binary } from '../pocketbase/binary/binary.ts';
import type { ProcessDriver } from '../pocketbase/process/process-driver.ts';
import { dataDirOf, lockFileOf, StartRefused } from '../supervisor/instance-spec.ts';
import { servedPaths } from './applications/assembled.ts';
import { isChosen, parseChoice } from './applications/choice.ts';
import { noteNeededHooks } from './applications/needed-hooks.ts';
import { nextRecord, readServedRecord, writeServedRecord } from './applications/served-record.ts';
import { EVERY } from './applications/sources.ts';
import { tryHooks } from './applications/try-hooks.ts';
import { SetRefused } from './migrations/scratch.ts';
import type { Template } from './provisioning/clone.ts';
import type { Prepared } from './provisioning/prepare-database.ts';
import type { Templates } from './provisioning/templates.ts';

/** How long new hooks may take to load. */
const HOOKS_TIMEOUT_MS = 30_000;

/** A database that starts. */
export interface HookedDatabase {
  name: string;
  directory: string;
  /** See `formatChoice`. */
  choice: string;
  binary: Binary;
  environment: Record<string, string>;
}

export interface DatabaseHooksDeps {
  driver: ProcessDriver;
  clock: Clock;
  templates: Pick<Templates, 'of' | 'has' | 'isOwn'>;
  settings: { assembledDir: string; appDir: string };
}

/**
 * Gives a database the hooks and static files of its applications, after its migrations.
 *
 * @returns why it runs without some of them; null when it has all
 * @throws StartRefused when it would run without hooks that it had, on this host or on the one of its backup
 */
export async function serveApplications(
  database: HookedDatabase,
  { template, heldMigrations: held }: { template: Template | null; heldMigrations: string | null },
  { reason, neededHooks }: Prepared,
  deps: DatabaseHooksDeps,
  signal: AbortSignal,
): Promise<PhaseReason | null> {
  const before = readServedRecord(database.directory);
  const needed = neededApplications(database, () => neededHooks, deps);
  const offered = template?.served?.hookApplications ?? [];
  // An application that is there and has no hooks is a change of it, except on a host that does not know the database.
  const lost = needed.filter(
    (name) => !offered.includes(name) && (before === null || !deps.templates.has(name)),
  );
  const limitation =
    lost.length > 0 && template !== null
      ? (reason ?? keptReason(database, lost, deps))
      : await followTemplate(database, { template, held, reason }, deps, signal);
  if (signal.aborted || hasHooks(database, needed, deps)) return limitation;
  throw new StartRefused(missingReason(database, { needed, limitation }, deps));
}

/** Whether the hooks of its last start on this host are there. */
export function hasServedHooks(directory: string, assembledDir: string): boolean {
  const { hooksDir } = servedPaths(assembledDir, readServedRecord(directory)?.served ?? null);
  return hooksDir === null || existsSync(hooksDir);
}

/**
 * Names of applications of its choice whose hooks a database needs: that of its last start here, or else those that its data
 * names. Of data of earlier releases, all that are named and gone.
 *
 * @param readNeeded see `readNeededHooks`
 */
export function neededApplications(
  { directory, choice }: HookedDatabase,
  readNeeded: () => readonly string[] | null,
  { templates }: Pick<DatabaseHooksDeps, 'templates'>,
): string[] {
  const record = readServedRecord(directory);
  const unknown = () => parseChoice(choice).filter((name) => name !== EVERY && !templates.has(name));
  const names = record === null ? (readNeeded() ?? unknown()) : (record.served?.hookApplications ?? []);
  return names.filter((name) => isChosen(choice, name, templates.isOwn(name)));
}

/** Records what a database serves from now on. */
export async function recordServed(
  { directory }: Pick<HookedDatabase, 'directory'>,
  template: Template,
  held: string | null,
): Promise<void> {
  const record = nextRecord(readServedRecord(directory), template, held);
  if (record === null) return;
  const { served } = record;
  const names = served?.hasHooks === true ? served.hookApplications : [];
  if (names !== undefined) noteNeededHooks(join(dataDirOf(directory), 'data.db'), names);
  await writeServedRecord(directory, record);
}

function hasHooks(
  { directory }: HookedDatabase,
  needed: readonly string[],
  { settings }: DatabaseHooksDeps,
): boolean {
  if (readServedRecord(directory) === null) return needed.length === 0;
  return hasServedHooks(directory, settings.assembledDir);
}

async function followTemplate(
  database: HookedDatabase,
  { template, held, reason }: { template: Template | null; held: string | null; reason: PhaseReason | null },
  deps: DatabaseHooksDeps,
  signal: AbortSignal,
): Promise<PhaseReason | null> {
  if (template === null) return reason;
  const isHeld = held === template.hash;
  // Without new migrations, it keeps the hooks that it had with the earlier ones.
  if (reason !== null && !isHeld) return reason;
  const problem = isHeld ? null : await tryNewHooks(database, template, deps, signal);
  if (problem !== null || signal.aborted) return problem;
  await recordServed(database, template, held);
  return reason ?? (isHeld ? heldHooksReason(database, template) : null);
}

/** Why its data does not bear new hooks; null when it does. Without this, they would end each of its starts. */
async function tryNewHooks(
  { name, directory, binary, environment }: HookedDatabase,
  { served }: Template,
  { driver, clock, settings }: DatabaseHooksDeps,
  signal: AbortSignal,
): Promise<PhaseReason | null> {
  if (!served?.hasHooks || readServedRecord(directory)?.served?.hash === served.hash) return null;
  const paths = servedPaths(settings.assembledDir, served);
  const [lockFile, timeoutMs] = [lockFileOf(directory), HOOKS_TIMEOUT_MS];
  const trial = { ...paths, driver, clock, directory, environment, lockFile, timeoutMs, signal };
  try {
    await tryHooks({ ...trial, binary: binary.path }, []);
    return null;
  } catch (error) {
    if (signal.aborted) return null;
    if (!(error instanceof SetRefused)) throw error;
    return {
      code: 'hook_broken',
      message: `it runs without the new hooks: ${error.message}; correct them, then run 'fathomd databases start ${name}'`,
    };
  }
}

/** Null when it has the hooks of the set. */
function heldHooksReason({ name, directory }: HookedDatabase, { served }: Template): PhaseReason | null {
  if (readServedRecord(directory)?.served?.hash === served?.hash) return null;
  return {
    code: 'migration_failed',
    message: `it runs without the latest hooks and static files, which only a rollout applies; see 'fathomd migrations status', then run 'fathomd migrations apply --databases ${name}'`,
  };
}

function keptReason(
  { name }: HookedDatabase,
  lost: readonly string[],
  { settings: { appDir } }: DatabaseHooksDeps,
): PhaseReason {
  return {
    code: 'app_missing',
    message: `it keeps the hooks that it had of ${lost.join(', ')}, whose files are not in ${appDir}; put them there, or run 'fathomd apps remove ${lost[0]} ${name}'; then run 'fathomd databases restart ${name}'`,
  };
}

function missingReason(
  { name, choice, binary }: HookedDatabase,
  { needed, limitation }: { needed: readonly string[]; limitation: PhaseReason | null },
  { templates, settings: { appDir } }: DatabaseHooksDeps,
): PhaseReason {
  const hooks = needed.length > 0 ? `the hooks of ${needed.join(', ')}` : 'its hooks';
  const begin = `it does not start without ${hooks}`;
  const [absent] = needed.filter((one) => !templates.has(one));
  if (absent !== undefined)
    return {
      code: 'app_missing',
      message: `${begin}: there is no application ${absent} in ${appDir}; put it there, and the database starts by itself, or set FATHOM_APP_DIR and restart the daemon; if it should run without them, 'fathomd apps remove ${absent} ${name}'`,
    };
  if (limitation !== null && limitation.code !== 'app_missing')
    return { ...limitation, message: `${begin}: ${limitation.message.replace(/^it runs without /, '')}` };
  const { problem } = templates.of(binary, choice);
  const [first = ''] = needed;
  const why = problem?.message ?? `there are none in ${join(appDir, first, 'hooks')}`;
  return {
    code: 'app_missing',
    message: `${begin}: ${why}; put them back, and the database starts by itself`,
  };
}
