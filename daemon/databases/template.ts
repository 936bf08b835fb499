import { randomUUID } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { makeDirectory } from '../base/dir.ts';
import { exists } from '../base/exists.ts';
import type { Logger } from '../base/log.ts';
import { SingleFlight } from '../base/single-flight.ts';
import { type Binary, contentHash } from '../pocketbase/binary.ts';
import { inheritedEnvironment } from '../pocketbase/command.ts';
import { withDatabase } from '../pocketbase/sqlite.ts';
import { replaceCollectionSecrets } from './collection-secrets.ts';

const MIGRATE_TIMEOUT_MS = 120_000;
/** As long as PocketBase's own, which is what it insists on. */
const NO_SECRET = '0'.repeat(50);

/**
 * A migrated, empty data directory, made once per binary and set of migrations, of which every user database is a
 * clone: booting a clone takes a fraction of a first boot. It holds no secret at all.
 */
export class TemplateStore {
  readonly #directory: string;
  readonly #migrationsDir: string;
  readonly #binary: Binary;
  readonly #log: Logger;
  readonly #builds = new SingleFlight<string>();
  #ready: string | null = null;

  constructor(options: { directory: string; migrationsDir: string; binary: Binary; log: Logger }) {
    this.#directory = options.directory;
    this.#migrationsDir = options.migrationsDir;
    this.#binary = options.binary;
    this.#log = options.log;
  }

  /**
   * The `pb_data` to clone, built if need be.
   *
   * @throws FathomError `provision.failed` with PocketBase's own words when the migrations do not apply
   */
  async get(): Promise<string> {
    this.#ready ??= await this.#builds.run('template', () => this.#build());
    return this.#ready;
  }

  async #build(): Promise<string> {
    const migrations = (await readdir(this.#migrationsDir)).filter((file) => /\.(js|ts)$/.test(file));
    const hash = await contentHash(migrations.map((file) => join(this.#migrationsDir, file)));
    const final = join(
      this.#directory,
      `${this.#binary.version}-${this.#binary.sha256.slice(0, 8)}-${hash.slice(0, 12)}`,
    );
    if (await exists(join(final, 'data.db'))) return final;

    await this.#removeUnfinished();
    const building = join(this.#directory, `.building-${randomUUID()}`);
    await makeDirectory(building);
    try {
      await this.#migrate(building);
      complete(building, migrations);
      await rm(join(building, '.notify'), { recursive: true, force: true });
      await rename(building, final);
    } catch (error) {
      await rm(building, { recursive: true, force: true });
      if (error instanceof FathomError) throw error;
      throw new FathomError('provision.failed', `the template of user databases: ${messageOf(error)}`, {
        cause: error,
      });
    }
    this.#log.info({ template: final }, 'made the template of user databases');
    return final;
  }

  async #migrate(directory: string): Promise<void> {
    const { execa } = await import('execa');
    const result = await execa(
      this.#binary.path,
      [
        'migrate',
        'up',
        `--dir=${directory}`,
        `--migrationsDir=${this.#migrationsDir}`,
        `--hooksDir=${join(directory, 'none')}`,
        '--hooksWatch=false',
        '--automigrate=false',
        '--dev=false',
      ],
      {
        all: true,
        reject: false,
        timeout: MIGRATE_TIMEOUT_MS,
        extendEnv: false,
        env: inheritedEnvironment(process.env),
        stdin: 'ignore',
      },
    );
    // Up to PocketBase 0.39 a migration that failed exits 0 as well.
    const failure = /^Error: (.+)/m.exec(result.all);
    if (failure || result.exitCode !== 0) {
      throw new FathomError(
        'provision.failed',
        `the migrations of user databases do not apply: ${failure?.[1] ?? (result.all.slice(-300) || result.shortMessage)}; ` +
          `correct the files in ${this.#migrationsDir}`,
      );
    }
  }

  /** What a daemon that was killed while building left behind. */
  async #removeUnfinished(): Promise<void> {
    await makeDirectory(this.#directory);
    for (const entry of await readdir(this.#directory)) {
      if (entry.startsWith('.building-'))
        await rm(join(this.#directory, entry), { recursive: true, force: true });
    }
  }
}

/** Proves that the migrations applied, and leaves all in the one file that is copied. */
function complete(directory: string, migrations: readonly string[]): void {
  withDatabase(join(directory, 'data.db'), { readOnly: false }, (database) => {
    const rows = database.prepare('SELECT file FROM _migrations').all();
    const applied = new Set(rows.map((row) => row['file']));
    const missing = migrations.filter((file) => !applied.has(file));
    if (missing.length > 0) throw new Error(`not applied: ${missing.join(', ')}`);
    replaceCollectionSecrets(database, () => NO_SECRET);
    // What was replaced or deleted must not live on in free pages of every clone.
    database.exec('VACUUM; PRAGMA wal_checkpoint(TRUNCATE)');
  });
}
