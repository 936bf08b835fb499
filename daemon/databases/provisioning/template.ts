import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { MigrationProblem } from '../../../shared/api/migrations.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { exists, makeDirectory, unlessMissing } from '../../base/files/dir.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import type { Logger } from '../../base/log/log.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { Binary } from '../../pocketbase/binary/binary.ts';
import type { GuardSettings } from '../../pocketbase/data/guard-settings.ts';
import { writeLastVersion } from '../../pocketbase/data/last-version.ts';
import { withDatabase } from '../../pocketbase/data/sqlite.ts';
import { shortenTypesFile } from '../../pocketbase/data/types-file.ts';
import { limitRequestLog } from '../../pocketbase/logs/request-log-limit.ts';
import type { ProcessDriver } from '../../pocketbase/process/process-driver.ts';
import {
  type ApplicationSet,
  readAllMigrations,
  readApplicationSet,
  setHash,
} from '../applications/application-set.ts';
import { assemble, servedPaths } from '../applications/assembled.ts';
import { describeChoice, formatChoice } from '../applications/choice.ts';
import type { Served, ServedFile } from '../applications/served-files.ts';
import type { ApplicationSettings, PackageFiles } from '../applications/sources.ts';
import { tryHooks } from '../applications/try-hooks.ts';
import { recordApplied } from '../migrations/applied.ts';
import { type MigrationFile, migrationNames, writeMigrationSet } from '../migrations/migration-files.ts';
import { migrateScratch, SetRefused } from '../migrations/scratch.ts';
import { newDatabaseIn, tryOutMigrations } from '../migrations/try-out.ts';
import { replaceCollectionSecrets } from '../owner/collection-secrets.ts';
import type { Template } from './clone.ts';

/** How long migrations may take on an empty database. The start of the daemon, and so systemd, waits for them. */
const CHECK_TIMEOUT_MS = 30_000;
/** PocketBase requires secrets of this length. */
const NO_SECRET = '0'.repeat(50);
const WARNINGS_FILE = 'warnings.json';
/** What databases of a template serve. Absent without hooks and static files. */
export const SERVED_FILE = 'served.json';

export interface TemplateOptions {
  directory: string;
  /** Hooks and static files, as PocketBase gets them. */
  assembledDir: string;
  /** The migrations and applications of the package. */
  own: PackageFiles;
  applications: ApplicationSettings;
  /** Part of the settings of every database. */
  guard: GuardSettings;
  binary: Binary;
  /** Name of the file with the name of the last valid template. */
  goodFile: string;
  driver: ProcessDriver;
  clock: Clock;
  log: Logger;
}

/**
 * Builds the template of user databases, once per binary and set of migrations. Starting a clone takes a fraction of a first
 * start. A changed set is tested first; when it is refused, the last valid one stays in use:
 *
 *   read ──▶ build on an empty database ──▶ test (a new owner, an existing database) ──▶ in use
 *     └──────────────┴───────────────────────────┴──▶ refused, with file, line and reason
 */
export class TemplateStore {
  readonly #options: TemplateOptions;
  readonly #refreshes = new SingleFlight<void>();
  #set: ApplicationSet | null = null;
  #current: Template | null = null;
  #problem: MigrationProblem | null = null;
  #warnings: readonly string[] = [];

  constructor(options: TemplateOptions) {
    this.#options = options;
  }

  /** The template of new databases, and of others at their next start; null when no valid set exists. */
  get current(): Template | null {
    return this.#current;
  }

  /** The hooks and static files of the last refresh. */
  get servedFiles(): readonly ServedFile[] {
    return this.#set?.served?.files ?? [];
  }

  /** The migrations of the last refresh. */
  get files(): readonly MigrationFile[] {
    return this.#set?.files ?? [];
  }

  /** Reads the current files without testing them. Never rejects. */
  readFiles(): Promise<ApplicationSet> {
    const { own, applications } = this.#options;
    return readApplicationSet(own, applications);
  }

  /** Reads the migrations of all applications, also of those that it does not contain. */
  readAll(): Promise<MigrationFile[]> {
    const { own, applications } = this.#options;
    return readAllMigrations(own, applications);
  }

  /** Whether the files were read, also when they were refused. */
  get isRead(): boolean {
    return this.#set !== null;
  }

  /** The databases that it is for, in problems. */
  get describedAs(): string {
    const { binary, applications } = this.#options;
    return `with PocketBase ${binary.version} and the applications ${describeChoice(formatChoice(applications.applications))}`;
  }

  /** Why the files of the last refresh are not in use. */
  get problem(): MigrationProblem | null {
    return this.#problem;
  }

  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** @throws FathomError `provision.failed` when no valid set exists */
  async get(): Promise<Template> {
    if (!this.#current) await this.refresh();
    if (this.#current) return this.#current;
    throw new FathomError(
      'provision.failed',
      `the migrations of user databases do not apply: ${this.#problem?.message ?? 'unknown'}; correct the file`,
    );
  }

  /** Reads the files, and tests them if they have changed. Never rejects. */
  refresh(): Promise<void> {
    return this.#refreshes.run('refresh', () => this.#refresh());
  }

  async #refresh(): Promise<void> {
    const { log } = this.#options;
    const set = await this.readFiles();
    if (set.hash === this.#set?.hash && (await this.#isAssembled(set))) return;
    this.#set = set;
    try {
      await makeDirectory(this.#options.directory);
      this.#current ??= await this.#readLastGood();
      if (set.problem) throw new SetRefused(set.problem);
      await this.#use(set);
    } catch (error) {
      this.#refuse(error);
      return;
    }
    this.#problem = null;
    for (const warning of this.#warnings) log.warn(`migrations of user databases: ${warning}`);
  }

  /** False when what databases serve was removed. */
  async #isAssembled({ served, problem }: ApplicationSet): Promise<boolean> {
    return served === null || problem !== null || exists(join(this.#options.assembledDir, served.hash));
  }

  #refuse(error: unknown): void {
    const { binary, log } = this.#options;
    this.#warnings = [];
    if (error instanceof SetRefused) this.#problem = error.problem;
    else {
      this.#problem = { code: 'unusable', file: null, line: null, message: messageOf(error) };
      // The files are not the cause, so the next refresh tries again.
      this.#set = null;
    }
    const { file, line, message, code } = this.#problem;
    const instead = this.#current ? 'the last valid migrations stay in use' : 'no database can be created';
    log.error(
      { file, line, code, version: binary.version },
      `the migrations of user databases are not used: ${message}; ${instead}`,
    );
  }

  async #use(set: ApplicationSet): Promise<void> {
    const { binary, directory, goodFile, log } = this.#options;
    const name = `${binary.version}-${binary.sha256.slice(0, 8)}-${set.hash.slice(0, 12)}`;
    const final = join(directory, name);
    if (set.served) await assemble(this.#options.assembledDir, set.served);
    if (!(await exists(join(final, 'pb_data', 'data.db')))) {
      await this.#build(set, final);
      log.info({ template: final }, 'created the template of user databases');
    }
    await replaceFile(join(directory, goodFile), name, { mode: 0o600, synced: false });
    this.#warnings = JSON.parse(await readFile(join(final, WARNINGS_FILE), 'utf8')) as string[];
    this.#current = templateIn(final, set);
  }

  async #build(set: ApplicationSet, final: string): Promise<void> {
    const { directory, assembledDir, binary, driver, guard, clock, log } = this.#options;
    const building = join(directory, `.building-${randomUUID()}`);
    const template = templateIn(building, set);
    const scratch = join(building, 'scratch');
    try {
      await makeDirectory(template.pbData);
      await writeMigrationSet(set.files, template.migrationsDir);
      const run = { driver, binary: binary.path, environment: {}, timeoutMs: CHECK_TIMEOUT_MS };
      await migrateScratch(
        { ...run, dataDir: template.pbData, migrationsDir: template.migrationsDir },
        set.files,
      );
      withDatabase(join(template.pbData, 'data.db'), { readOnly: false }, (database) =>
        finishTemplate(database, set.files, binary.version),
      );
      await rm(join(template.pbData, '.notify'), { recursive: true, force: true });
      shortenTypesFile(template.pbData);
      limitRequestLog(join(template.pbData, 'auxiliary.db'), { instance: 'template', isStopped: true, log });
      const warnings = await tryOutMigrations({ template, current: this.#current, scratch, guard, run });
      if (set.served) {
        const { hooksDir, publicDir } = servedPaths(assembledDir, set.served);
        const trial = { ...run, ...newDatabaseIn(scratch), hooksDir, publicDir, clock };
        await tryHooks(trial, set.served.files);
        await writeFile(join(building, SERVED_FILE), JSON.stringify(servedOf(set)), { mode: 0o600 });
      }
      await rm(scratch, { recursive: true, force: true });
      await rm(join(building, 'marked'), { recursive: true, force: true });
      await writeFile(join(building, WARNINGS_FILE), JSON.stringify(warnings), { mode: 0o600 });
      // Earlier releases used this name for templates of another form.
      await rm(final, { recursive: true, force: true });
      await rename(building, final);
    } catch (error) {
      await rm(building, { recursive: true, force: true });
      throw error;
    }
  }

  async #readLastGood(): Promise<Template | null> {
    const name = await this.#readGoodName();
    if (name === null) return null;
    const directory = join(this.#options.directory, name);
    if (!(await exists(join(directory, 'pb_data', 'data.db')))) return null;
    const none = join(directory, 'none');
    const own = { migrationsDir: join(directory, 'migrations'), appsDir: none };
    const { files } = await readApplicationSet(own, { appDir: none, applications: null });
    const text = await readFile(join(directory, SERVED_FILE), 'utf8').catch(unlessMissing);
    const served = text === null ? null : (JSON.parse(text) as Served);
    if (served && !(await exists(join(this.#options.assembledDir, served.hash)))) return null;
    return templateIn(directory, { hash: setHash(files, served), files, served });
  }

  async #readGoodName(): Promise<string | null> {
    const path = join(this.#options.directory, this.#options.goodFile);
    return (await exists(path)) ? (await readFile(path, 'utf8')).trim() : null;
  }
}

function templateIn(
  directory: string,
  set: Pick<ApplicationSet, 'hash' | 'files'> & { served: Served | null },
): Template {
  const [pbData, migrationsDir] = [join(directory, 'pb_data'), join(directory, 'migrations')];
  return { hash: set.hash, files: set.files, served: servedOf(set), pbData, migrationsDir };
}

/** Without the files. */
function servedOf({ served }: { served: Served | null }): Served | null {
  if (served === null) return null;
  const { hash, hasHooks, hasPublic, hasJobs, hookApplications } = served;
  return { hash, hasHooks, hasPublic, hasJobs, ...(hookApplications && { hookApplications }) };
}

/** Checks that all migrations were applied, removes secrets, and leaves all data in one file. @throws SetRefused */
function finishTemplate(database: DatabaseSync, files: readonly MigrationFile[], version: string): void {
  const rows = database.prepare('SELECT file FROM _migrations').all();
  const applied = new Set(rows.map((row) => row['file']));
  const [missing] = migrationNames(files).filter((file) => !applied.has(file));
  if (missing !== undefined) {
    const message = `${missing} does not call migrate(); move a file that other files load into a subfolder`;
    throw new SetRefused({ code: 'not_a_migration', file: missing, line: null, message });
  }
  recordApplied(database, files);
  writeLastVersion(database, version);
  replaceCollectionSecrets(database, () => NO_SECRET);
  // Replaced or deleted data must not stay in free pages of every clone.
  database.exec('VACUUM; PRAGMA wal_checkpoint(TRUNCATE)');
}
