import { lstat, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApplicationCheck } from '../../../shared/api/applications.ts';
import type { MigrationProblem } from '../../../shared/api/migrations.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import { type Binary, EMBEDDED } from '../../pocketbase/binary/binary.ts';
import { checkApplication } from '../applications/check-application.ts';
import { formatChoice, parseChoice } from '../applications/choice.ts';
import { describeApplications } from '../applications/describe-applications.ts';
import { listDirectory } from '../applications/read-tree.ts';
import type { Served } from '../applications/served-files.ts';
import { listNames } from '../applications/sources.ts';
import { sha256 as hash } from '../migrations/migration-files.ts';
import { SERVED_FILE, type TemplateOptions, TemplateStore } from './template.ts';

/**
 * Files with the names of the last valid templates: that of new databases, and one for each other executable and choice of
 * applications, such as `good-0.39.1-6781640a-set-1f0c9b2e`.
 */
const GOOD_FILE = 'good';
const OF_CHOICE = '-set-';
const HASH_CHARACTERS = 8;
/** Files that have not changed for this time are complete. */
const COPIED_AFTER_MS = 10_000;

/**
 * The templates of user databases by executable and by applications: a version of PocketBase may refuse migrations that another
 * accepts. New databases are cloned from that of the fleet. Others are built when the first database that needs them starts.
 */
export class Templates {
  /** Of new databases, and of those with the same applications that are not pinned to a version. */
  readonly fleet: TemplateStore;
  /** The applications of new databases. */
  readonly choice: string;
  readonly #options: Omit<TemplateOptions, 'goodFile'>;
  readonly #others = new Map<string, TemplateStore>();
  readonly #flights = new SingleFlight<void>();
  #inDirectory: string[] = [];
  /** Names of the package. */
  #own = new Set<string>();
  /** Names of applications with files, also those of the package. */
  #complete = new Set<string>();

  /** @param options.binary that of the fleet */
  constructor(options: Omit<TemplateOptions, 'goodFile'>) {
    this.#options = options;
    this.choice = formatChoice(options.applications.applications);
    this.fleet = new TemplateStore({ ...options, goodFile: GOOD_FILE });
  }

  /** Describes all applications. @throws SetProblem */
  describeApplications(): ReturnType<typeof describeApplications> {
    return describeApplications(this.#options.own, this.#options.applications);
  }

  /** Tests one application on a scratch database. */
  checkApplication(name: string): Promise<ApplicationCheck> {
    return checkApplication(name, this.#options);
  }

  /** Names in the administrator's directory, as of the last refresh. */
  get inDirectory(): readonly string[] {
    return this.#inDirectory;
  }

  /** Whether the files of an application are there, as of the last refresh. An empty directory is none. */
  has(name: string): boolean {
    return this.#complete.has(name);
  }

  /** Whether an application is part of the package. */
  isOwn(name: string): boolean {
    return this.#own.has(name);
  }

  /** @param choice see `formatChoice` */
  of(binary: Binary, choice: string): TemplateStore {
    const { sha256, version } = binary;
    if (sha256 === this.#options.binary.sha256 && choice === this.choice) return this.fleet;
    const key = `${sha256} ${choice}`;
    let store = this.#others.get(key);
    if (!store) {
      const ofChoice = choice === this.choice ? '' : `${OF_CHOICE}${hashOf(choice)}`;
      const goodFile = `${GOOD_FILE}-${version}-${sha256.slice(0, HASH_CHARACTERS)}${ofChoice}`;
      const applications = { ...this.#options.applications, applications: parseChoice(choice) };
      store = new TemplateStore({ ...this.#options, applications, binary, goodFile });
      this.#others.set(key, store);
    }
    return store;
  }

  /** Builds a template, unless its files were read before. Never rejects. */
  async prepare(binary: Binary, choice: string): Promise<void> {
    const store = this.of(binary, choice);
    if (store !== this.fleet && !store.isRead) await store.refresh();
  }

  /** Reads the files, and tests them with each executable if they have changed. Never rejects. */
  async refresh(): Promise<void> {
    // A directory that cannot be read is the problem of each template.
    const { own, applications } = this.#options;
    this.#inDirectory = await listNames(applications.appDir).catch(() => []);
    this.#own = new Set(await listNames(own.appsDir));
    this.#complete = new Set(await listComplete([own.appsDir, applications.appDir]));
    await this.fleet.refresh();
    for (const store of this.#others.values()) await store.refresh();
  }

  /**
   * Reads the files again for databases that wait for an application, unless a file has changed in the last seconds: it may be
   * one of several that are being copied. Never rejects.
   */
  refreshWhenCopied(): Promise<void> {
    const { applications, clock } = this.#options;
    return this.#flights.run('copied', async () => {
      const changedMs = await lastChangeMs(applications.appDir).catch(() => 0);
      if (Math.abs(clock.now().getTime() - changedMs) > COPIED_AFTER_MS) await this.refresh();
    });
  }

  /** Why the files of other databases are not in use, the first reason. */
  get otherProblem(): MigrationProblem | null {
    for (const { problem, describedAs } of this.#others.values())
      if (problem) return { ...problem, message: `${describedAs}: ${problem.message}` };
    return null;
  }

  /**
   * Removes unused templates, and those of versions that are no longer installed. Call this before a database is cloned, and
   * while no template is built.
   *
   * @param installed versions of PocketBase, without the embedded one
   * @param choices applications of databases
   * @returns hashes of the hooks and static files of the templates that stay
   */
  async prune(installed: readonly string[], choices: Iterable<string>): Promise<string[]> {
    const { directory } = this.#options;
    const entries = await readdir(directory);
    const versions = [EMBEDDED.version, ...installed];
    const used = new Set(Array.from(choices, hashOf));
    const isUsed = (goodFile: string) => {
      const [, choice] = goodFile.split(OF_CHOICE);
      return choice === undefined || used.has(choice);
    };
    const goodFiles = entries.filter(
      (entry) =>
        entry === GOOD_FILE ||
        (versions.some((version) => entry.startsWith(`${GOOD_FILE}-${version}-`)) && isUsed(entry)),
    );
    const names = await Promise.all(goodFiles.map((file) => readFile(join(directory, file), 'utf8')));
    const kept = new Set([...goodFiles, ...names.map((name) => name.trim())]);
    for (const entry of entries) {
      if (!kept.has(entry)) await rm(join(directory, entry), { recursive: true, force: true });
    }
    const served = [...kept].map((name) =>
      readFile(join(directory, name, SERVED_FILE), 'utf8').catch(() => null),
    );
    const texts = (await Promise.all(served)).filter((text) => text !== null);
    return texts.map((text) => (JSON.parse(text) as Served).hash);
  }
}

function hashOf(choice: string): string {
  return hash(Buffer.from(choice)).slice(0, HASH_CHARACTERS);
}

/** Names of directories with files. One that cannot be read has none. */
async function listComplete(parents: readonly string[]): Promise<string[]> {
  const names: string[] = [];
  for (const parent of parents)
    for (const name of await listNames(parent).catch(() => [])) {
      const entries = await listDirectory(join(parent, name)).catch(() => []);
      if (entries.length > 0) names.push(name);
    }
  return names;
}

/** The time of the last change below a directory, in Unix milliseconds. */
async function lastChangeMs(directory: string): Promise<number> {
  const { ctimeMs } = await stat(directory);
  const times = await Promise.all(
    (await readdir(directory, { withFileTypes: true })).map(async (entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? lastChangeMs(path) : (await lstat(path)).ctimeMs;
    }),
  );
  return Math.max(ctimeMs, ...times);
}
