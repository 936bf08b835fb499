/** PocketBase needs about 30 MiB for a few requests at the same time. Below this limit, it would be ended in a loop. */
export const MIN_MEMORY_MB = 64;

/**
 * Minutes. PocketBase ends silent realtime connections after 5 minutes, and only their reconnect shows that a database is
 * used.
 */
export const MIN_SLEEP_AFTER = 6;

/** The rest of a message about a shorter time. */
export const SLEEP_AFTER_PROBLEM = `is too short: PocketBase ends silent realtime connections after 5 minutes, and only their reconnect shows use; use at least ${MIN_SLEEP_AFTER}, or 0 for never`;

interface LimitRule {
  /** For the documentation and the help of commands. */
  about: string;
  unit: 'MiB' | 'minutes' | null;
  min: number;
  /** 0 is allowed below `min` and says that there is no limit; null is not allowed. */
  zeroIsNone?: true;
}

/** Everything that a plan limits, for one user and the database of that user. */
export const LIMITS = {
  memory_mb: { about: 'Memory of the database in MiB', unit: 'MiB', min: MIN_MEMORY_MB },
  disk_mb: { about: 'Size of the database with its files in MiB', unit: 'MiB', min: 1 },
  api_keys: { about: 'API keys of the user', unit: null, min: 0 },
  sessions: { about: 'Sessions of the user', unit: null, min: 1 },
  streams: { about: 'Open streams of the user', unit: null, min: 0 },
  restarts_per_hour: {
    about: 'Starts, stops, restarts, sleeps and wakes of the database by the user in an hour',
    unit: null,
    min: 0,
  },
  backups_per_day: { about: 'Backups that the user makes in a day', unit: null, min: 0 },
  own_backups: {
    about: 'Backups by the user that are kept, beside those that BACKUP_KEEP keeps',
    unit: null,
    min: 0,
  },
  exports_per_day: {
    about: 'Downloads of backups and of the account by the user in a day',
    unit: null,
    min: 0,
  },
  tasks: { about: 'Waiting tasks of the user in the queue', unit: null, min: 0 },
  sleep_after: {
    about: 'Minutes without use after which the database sleeps',
    unit: 'minutes',
    min: MIN_SLEEP_AFTER,
    zeroIsNone: true,
  },
} as const satisfies Readonly<Record<string, LimitRule>>;

export type LimitName = keyof typeof LIMITS;

export const LIMIT_NAMES = Object.keys(LIMITS) as LimitName[];

/** Of limits in plans, databases and settings: 1 PiB, where the unit is MiB. */
export const MAX_LIMIT = 1 << 30;

type ZeroIsNone = {
  [Name in LimitName]: (typeof LIMITS)[Name] extends { zeroIsNone: true } ? Name : never;
}[LimitName];

/** A value for every limit; null is no limit. */
export type Limits = Readonly<
  Record<Exclude<LimitName, ZeroIsNone>, number | null> & Record<ZeroIsNone, number>
>;

/** The limits that a plan or a database sets itself. */
export type OwnLimits = Readonly<{ [Name in LimitName]?: Limits[Name] | undefined }>;

/** The plan of users without another one. */
export const DEFAULT_PLAN = 'default';

/** Where the limits of a database come from. */
export interface LimitSources<Name extends LimitName = LimitName> {
  settings: Pick<Limits, Name>;
  plan: OwnLimits;
  database: OwnLimits;
}

/** The limits that apply: those of the database, then those of the plan, then the settings. */
export function effectiveLimits(sources: LimitSources): Limits {
  return Object.fromEntries(
    LIMIT_NAMES.map((name) => [name, effectiveLimit(name, sources)]),
  ) as unknown as Limits;
}

/** One of `effectiveLimits`. */
export function effectiveLimit<Name extends LimitName>(
  name: Name,
  { settings, plan, database }: LimitSources<Name>,
): Limits[Name] {
  const own: OwnLimits[Name] = database[name] === undefined ? plan[name] : database[name];
  return own === undefined ? settings[name] : own;
}

/** Reads stored limits. Values that are not valid, for example of a row that was edited by hand, are left out. */
export function readOwnLimits(stored: unknown): { limits: OwnLimits; invalid: LimitName[] } {
  const values = typeof stored === 'object' && stored !== null ? (stored as Record<string, unknown>) : {};
  const given = LIMIT_NAMES.filter((name) => values[name] !== undefined);
  const invalid = given.filter((name) => !isLimit(name, values[name]));
  const valid = given.filter((name) => !invalid.includes(name));
  return { limits: Object.fromEntries(valid.map((name) => [name, values[name]])), invalid };
}

function isLimit(name: LimitName, value: unknown): boolean {
  const { min, zeroIsNone }: LimitRule = LIMITS[name];
  if (value === null) return zeroIsNone !== true;
  if (value === 0 && zeroIsNone === true) return true;
  return Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= MAX_LIMIT;
}
