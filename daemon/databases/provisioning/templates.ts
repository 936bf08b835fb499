import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApplicationCheck, ApplicationView } from '../../../shared/api/applications.ts';
import type { MigrationProblem } from '../../../shared/api/migrations.ts';
import { type Binary, EMBEDDED } from '../../pocketbase/binary/binary.ts';
import { checkApplication } from '../applications/check-application.ts';
import { describeApplications } from '../applications/describe-applications.ts';
import type { Served } from '../applications/served-files.ts';
import { SERVED_FILE, type TemplateOptions, TemplateStore } from './template.ts';

/** Files with the names of the last valid templates: that of the fleet, and one for each other executable. */
const GOOD_FILE = 'good';

/**
 * The templates of user databases by executable: a version of PocketBase may refuse migrations that another accepts. New
 * databases are cloned from that of the fleet. Others are built when the first database of their version starts.
 */
export class Templates {
  /** Of new databases, and of those that are not pinned to a version. */
  readonly fleet: TemplateStore;
  readonly #options: Omit<TemplateOptions, 'goodFile'>;
  /** Those of pinned versions, by SHA-256 of the executable. */
  readonly #others = new Map<string, TemplateStore>();

  /** @param options.binary that of the fleet */
  constructor(options: Omit<TemplateOptions, 'goodFile'>) {
    this.#options = options;
    this.fleet = new TemplateStore({ ...options, goodFile: GOOD_FILE });
  }

  /** Describes all applications. @throws SetProblem */
  describeApplications(): Promise<ApplicationView[]> {
    return describeApplications(this.#options.own, this.#options.applications);
  }

  /** Tests one application on a scratch database. */
  checkApplication(name: string): Promise<ApplicationCheck> {
    return checkApplication(name, this.#options);
  }

  of(binary: Binary): TemplateStore {
    const { sha256, version } = binary;
    if (sha256 === this.#options.binary.sha256) return this.fleet;
    let store = this.#others.get(sha256);
    if (!store) {
      const goodFile = `${GOOD_FILE}-${version}-${sha256.slice(0, 8)}`;
      store = new TemplateStore({ ...this.#options, binary, goodFile });
      this.#others.set(sha256, store);
    }
    return store;
  }

  /** Builds the template of an executable, unless its files were read before. Never rejects. */
  async prepare(binary: Binary): Promise<void> {
    const store = this.of(binary);
    if (store !== this.fleet && !store.isRead) await store.refresh();
  }

  /** Reads the files, and tests them with each executable if they have changed. Never rejects. */
  async refresh(): Promise<void> {
    await this.fleet.refresh();
    for (const store of this.#others.values()) await store.refresh();
  }

  /** Why migrations of pinned versions are not in use, the first reason. */
  get otherProblem(): MigrationProblem | null {
    for (const { problem, version } of this.#others.values())
      if (problem) return { ...problem, message: `with PocketBase ${version}: ${problem.message}` };
    return null;
  }

  /**
   * Removes unused templates, and those of versions that are no longer installed. Call this before a database is cloned, and
   * while no template is built.
   *
   * @param installed versions of PocketBase, without the embedded one
   * @returns hashes of the hooks and static files of the templates that stay
   */
  async prune(installed: readonly string[]): Promise<string[]> {
    const { directory } = this.#options;
    const entries = await readdir(directory);
    const versions = [EMBEDDED.version, ...installed];
    const goodFiles = entries.filter(
      (entry) =>
        entry === GOOD_FILE || versions.some((version) => entry.startsWith(`${GOOD_FILE}-${version}-`)),
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
