import {
  DEFAULT_PLAN,
  effectiveLimits,
  type Limits,
  type OwnLimits,
  readOwnLimits,
} from '../../../shared/limits.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Config } from '../../config/config.ts';
import type { LiveSettings } from '../../config/live-settings.ts';
import type { ControlPlaneClient } from '../../control-plane/client.ts';

interface PlansDeps {
  controlPlane: ControlPlaneClient;
  settings: Pick<LiveSettings, 'limits'>;
  databaseLimits: Config['databaseLimits'];
  log: Logger;
}

/** The plans in the global PocketBase. They are kept in memory, because every check of a limit needs one. */
export class Plans {
  readonly #deps: PlansDeps;
  #rows: ReadonlyMap<string, { id: string; own: OwnLimits }> = new Map();

  constructor(deps: PlansDeps) {
    this.#deps = deps;
  }

  /** Reads all plans: at the start, and in case a superuser changed one. */
  async load(): Promise<void> {
    const records = await this.#deps.controlPlane.call((client) => client.collection('plans').getFullList());
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
    return (this.#rows.get(name) ?? this.#rows.get(DEFAULT_PLAN))?.own ?? {};
  }

  /** The limits of a user with the plan. */
  limitsOf(name: string, database: OwnLimits = {}): Limits {
    const { settings, databaseLimits } = this.#deps;
    const { memoryMb: memory_mb, diskMb: disk_mb } = databaseLimits;
    const defaults = { ...settings.limits.perUser, memory_mb, disk_mb };
    return effectiveLimits({ settings: defaults, plan: this.ownLimits(name), database });
  }

  async set(name: string, changes: OwnLimits): Promise<void> {
    const row = this.#rows.get(name);
    const limits = { ...row?.own, ...changes };
    await this.#deps.controlPlane.call((client) => {
      const plans = client.collection('plans');
      return row ? plans.update(row.id, { limits }) : plans.create({ name, limits });
    });
    await this.load();
  }

  async delete(name: string): Promise<void> {
    const row = this.#rows.get(name);
    if (!row) return;
    await this.#deps.controlPlane.call((client) => client.collection('plans').delete(row.id));
    await this.load();
  }
}
