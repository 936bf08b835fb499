import { appendFile, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ROLLOUT_KINDS } from '../../shared/api/rollouts.ts';
import { messageOf } from '../../shared/errors.ts';
import { exists, makeDirectory } from '../base/files/dir.ts';
import { replaceFile, syncDirectory } from '../base/files/replace-file.ts';
import {
  OUTCOMES,
  ROLLOUT_STATUSES,
  type RolloutOutcome,
  type RolloutPlan,
  type RolloutState,
} from './rollout.ts';

const planSchema = z.object({
  id: z.string(),
  kind: z.enum(ROLLOUT_KINDS),
  target: z.string(),
  started_at: z.string(),
  databases: z.array(z.string()),
  canary: z.number(),
  wave: z.number(),
  max_failures: z.number(),
  watch_s: z.number(),
  rehearse: z.boolean(),
  // Plans of earlier releases have none.
  hashes: z.record(z.string(), z.string()).default({}),
  back: z.boolean().default(false),
  // Rollouts of earlier versions have none.
  backup: z.boolean().default(false),
  without_backup: z.boolean().default(false),
});

const stateSchema = z.object({
  status: z.enum(ROLLOUT_STATUSES),
  reason: z.string().nullable(),
  accepted: z.number(),
});

const outcomeSchema = z.object({
  database: z.string(),
  result: z.enum(OUTCOMES),
  at: z.string(),
  message: z.string().nullable(),
  unanswered_ms: z.number().nullable(),
});

export interface StoredRollout {
  plan: RolloutPlan;
  state: RolloutState;
  outcomes: Map<string, RolloutOutcome>;
}

/**
 * The last rollout, as files: they do not need the global PocketBase, and each is complete or missing.
 *
 *   current            the id of the last rollout
 *   <id>/plan.json     what it does
 *   <id>/state.json    running, paused, …
 *   <id>/outcomes      one line of JSON for each database that has ended
 */
export class RolloutStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async create(plan: RolloutPlan, state: RolloutState): Promise<void> {
    await makeDirectory(join(this.#directory, plan.id));
    await replaceFile(this.#path(plan.id, 'plan.json'), JSON.stringify(plan), { mode: 0o600, synced: true });
    await this.writeState(plan.id, state);
    await replaceFile(this.#currentFile, plan.id, { mode: 0o600, synced: true });
  }

  /** Null before the first one. @throws an Error that names the directory */
  async read(): Promise<StoredRollout | null> {
    if (!(await exists(this.#currentFile))) return null;
    const id = (await readFile(this.#currentFile, 'utf8')).trim();
    try {
      return {
        plan: planSchema.parse(await this.#readJson(id, 'plan.json')),
        state: stateSchema.parse(await this.#readJson(id, 'state.json')),
        outcomes: await this.#readOutcomes(id),
      };
    } catch (error) {
      throw new Error(`its record in ${join(this.#directory, id)} is damaged (${messageOf(error)})`, {
        cause: error,
      });
    }
  }

  async writeState(id: string, state: RolloutState): Promise<void> {
    await replaceFile(this.#path(id, 'state.json'), JSON.stringify(state), { mode: 0o600, synced: true });
  }

  /** The outcome is on the disk when this returns. */
  async addOutcome(id: string, outcome: RolloutOutcome): Promise<void> {
    const path = this.#path(id, 'outcomes');
    const isNew = !(await exists(path));
    // A line of its own, also after one that a crash has cut.
    await appendFile(path, `\n${JSON.stringify(outcome)}\n`, { mode: 0o600 });
    await using file = await open(path, 'r+');
    await file.sync();
    if (isNew) await syncDirectory(join(this.#directory, id));
  }

  async #readOutcomes(id: string): Promise<Map<string, RolloutOutcome>> {
    const path = this.#path(id, 'outcomes');
    if (!(await exists(path))) return new Map();
    const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
    return new Map(
      lines.flatMap((line) => {
        const outcome = parseOutcome(line);
        return outcome ? [[outcome.database, outcome]] : [];
      }),
    );
  }

  async #readJson(id: string, name: string): Promise<unknown> {
    return JSON.parse(await readFile(this.#path(id, name), 'utf8')) as unknown;
  }

  get #currentFile(): string {
    return join(this.#directory, 'current');
  }

  #path(id: string, name: string): string {
    return join(this.#directory, id, name);
  }
}

/** Null for a line that a crash has cut: the database is then looked at again. */
function parseOutcome(line: string): RolloutOutcome | null {
  try {
    return outcomeSchema.parse(JSON.parse(line));
  } catch {
    return null;
  }
}
