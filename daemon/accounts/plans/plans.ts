import {
  DEFAULT_PLAN,
  effectiveLimit,
  effectiveLimits,
  type Limits,
  type OwnLimits,
  readOwnLimits,
} from '../../../shared/limits.ts';
import { KeyedMutex } from '../../base/keyed-mutex.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Config } from '../../config/config.ts';
import type { LiveSettings } from '../../config/live-settings.ts';
import type { ControlPlaneClient } from '../../control-plane/client.ts';
import { deleteRecord } from '../../control-plane/records.ts';

interface PlansDeps {
  controlPlane: ControlPlaneClient;
  settings: Pick<LiveSettings, 'limits'>;
  databaseLimits: Config['databaseLimits'];
  log: Logger;
}

type PlanRows = ReadonlyMap<string, { id: string; own: OwnLimits }>;

/** The limits that apply to a database, and not to its owner. */
const DATABASE_LIMITS = ['memory_mb', 'disk_mb', 'sleep_after'] as const;

/** Whether the limits of databases with this plan have changed. */
type HasChanged = (plan: string) => boolean;

/** The plans in the global PocketBase. They are kept in memory, because every check of a limit needs one. */
export class Plans {
  readonly #deps: PlansDeps;
  readonly #mutex = new KeyedMutex();
  readonly #listeners = new Set<(hasChanged: HasChanged) => void>();
  #rows: PlanRows = new Map();

  constructor(deps: PlansDeps) {
    this.#deps = deps;
  }

  /** Calls the listener after limits of databases have changed. */
  onChange(listener: (hasChanged: HasChanged) => void): void {
    this.#listeners.add(listener);
  }

  /** Reads all plans: at the start, and in case a superuser changed one. */
  load(): Promise<void> {
    // Not during a change: rows that were read before it must not replace those after it.
    return this.#mutex.run('', () => this.#read());
  }

  async #read(): Promise<void> {
    const records = await this.#deps.controlPlane.call((client) => client.collection('plans').getFullList());
    const before = this.#rows;
    this.#rows = new Map(
      records.map(({ id, name, limits }) => {
        const { limits: own, invalid } = readOwnLimits(limits);
        if (invalid.length > 0) {
          const remedy = `correct it with 'fathomd plans set ${String(name)}'`;
          this.#deps.log.warn(`the plan '${String(name)}' has an invalid ${invalid.join(', ')}; ${remedy}`);
        }
        return [String(name), { id, own }];
      }),
    );
    const hasChanged = (plan: string) => differsForDatabases(ownLimitsIn(before, plan), this.ownLimits(plan));
    if (![DEFAULT_PLAN, ...before.keys(), ...this.#rows.keys()].some(hasChanged)) return;
    for (const listener of this.#listeners) listener(hasChanged);
  }

  /** The names of all plans; the default one comes first. */
  names(): string[] {
    return [DEFAULT_PLAN, ...[...this.#rows.keys()].filter((name) => name !== DEFAULT_PLAN).toSorted()];
  }

  has(name: string): boolean {
    return name === DEFAULT_PLAN || this.#rows.has(name);
  }

  /** The limits that the plan itself sets. A plan that was deleted sets those of the default one. */
  ownLimits(name: string): OwnLimits {
    return ownLimitsIn(this.#rows, name);
  }

  /** The limits of a user with the plan. */
  limitsOf(name: string): Limits {
    const { settings, databaseLimits } = this.#deps;
    const { memoryMb: memory_mb, diskMb: disk_mb } = databaseLimits;
    const defaults = { ...settings.limits.perUser, memory_mb, disk_mb };
    return effectiveLimits({ settings: defaults, plan: this.ownLimits(name), database: {} });
  }

  /** The limits of a database whose owner has the plan. They are read several times in a second. */
  databaseLimitsOf(name: string, database: OwnLimits): Pick<Limits, (typeof DATABASE_LIMITS)[number]> {
    const { settings, databaseLimits } = this.#deps;
    const { sleep_after } = settings.limits.perUser;
    const defaults = { memory_mb: databaseLimits.memoryMb, disk_mb: databaseLimits.diskMb, sleep_after };
    const sources = { settings: defaults, plan: this.ownLimits(name), database };
    return {
      memory_mb: effectiveLimit('memory_mb', sources),
      disk_mb: effectiveLimit('disk_mb', sources),
      sleep_after: effectiveLimit('sleep_after', sources),
    };
  }

  /** Changes of plans run one after the other: each one merges its limits into the row as it is stored. */
  set(name: string, changes: OwnLimits): Promise<void> {
    return this.#change(async () => {
      const row = this.#rows.get(name);
      const limits = { ...row?.own, ...changes };
      await this.#deps.controlPlane.call((client) => {
        const plans = client.collection('plans');
        return row ? plans.update(row.id, { limits }) : plans.create({ name, limits });
      });
    });
  }

  delete(name: string): Promise<void> {
    return this.#change(async () => {
      const row = this.#rows.get(name);
      if (row) await deleteRecord(this.#deps.controlPlane, 'plans', row.id);
    });
  }

  #change(work: () => Promise<void>): Promise<void> {
    return this.#mutex.run('', async () => {
      await this.#read();
      await work();
      await this.#read();
    });
  }
}

function ownLimitsIn(rows: PlanRows, name: string): OwnLimits {
  return (rows.get(name) ?? rows.get(DEFAULT_PLAN))?.own ?? {};
}

function differsForDatabases(before: OwnLimits, after: OwnLimits): boolean {
  return DATABASE_LIMITS.some((name) => before[name] !== after[name]);
}
