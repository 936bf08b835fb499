import { join, resolve } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import { firstRun } from '../base/time/cron.ts';
import { type KeepRule, parseKeepRule } from './backup-keep.ts';
import { findTargetProblem } from './backup-target.ts';
import type { Setting } from './sources/setting.ts';
import type { Sources } from './sources/sources.ts';
import { isSecret, SETTINGS, VARIABLES } from './sources/variables.ts';
import type { ValueReader } from './value-reader.ts';

/** Kinds of targets that are not directories. */
const SCHEMES = ['s3', 'sftp'];

export interface BackupConfig {
  /** An absolute path, or a URL with one of `SCHEMES`. */
  target: string;
  /** Null: no backups by themselves. */
  schedule: BackupSchedule | null;
  /** Which backups are kept. */
  keep: KeepRule;
  /** Databases that are backed up at the same time. */
  parallel: number;
  /** Databases are backed up before rollouts change them. */
  beforeChanges: boolean;
  /** When backups are proven; null: on demand only. */
  drills: BackupSchedule | null;
}

export interface BackupSchedule {
  cron: string;
  /** IANA name, such as `Europe/Berlin`. */
  timezone: string;
}

/** Values of settings as they are written, by name. */
export interface WrittenSettings {
  open: Readonly<Record<string, string>>;
  /** Those with secrets. */
  secret: Readonly<Record<string, string>>;
}

export function readBackups(
  read: ValueReader,
  { dataDir, cwd }: { dataDir: string; cwd: string },
): BackupConfig {
  return {
    target: readTarget(read, { dataDir, cwd }),
    schedule: readSchedule(read, 'BACKUP_SCHEDULE'),
    keep: readKeep(read),
    parallel: read.wholeNumber('BACKUP_PARALLEL'),
    beforeChanges: read.choice('BACKUP_BEFORE_CHANGES') === 'on',
    drills: readSchedule(read, 'BACKUP_DRILLS'),
  };
}

function readTarget(read: ValueReader, { dataDir, cwd }: { dataDir: string; cwd: string }): string {
  const value = read.text('BACKUP_TARGET');
  if (value === null) return join(dataDir, 'backups');
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(value)?.[1];
  if (scheme === undefined) {
    const directory = resolve(cwd, value);
    const problem = findDirectoryProblem(dataDir, directory);
    if (problem !== null) read.problem('BACKUP_TARGET', problem);
    return directory;
  }
  if (!SCHEMES.includes(scheme.toLowerCase())) {
    // The rest of the URL may contain a password.
    read.problem(
      'BACKUP_TARGET',
      `'${scheme}:' is unknown; use the path of a directory, or a URL with ${SCHEMES.map((one) => `${one}://`).join(' or ')}`,
    );
    return value;
  }
  const problem = findTargetProblem(value);
  if (problem !== null) read.problem('BACKUP_TARGET', problem);
  return value;
}

/** Directories of the kernel. Files in them are not stored on a disk. */
const KERNEL_DIRECTORIES = ['/proc', '/sys', '/dev'];

/** Why nothing can be stored in a directory; null for one that can be used. */
export function findDirectoryProblem(dataDir: string, directory: string): string | null {
  const isIn = (parents: readonly string[]) =>
    parents.some((parent) => `${directory}/`.startsWith(`${parent}/`));
  if (directory === dataDir || isIn([join(dataDir, 'user_dbs'), join(dataDir, 'global')]))
    return 'is a directory of live data; use another directory';
  return isIn(KERNEL_DIRECTORIES)
    ? `${directory} keeps no files when the host restarts; use a directory on a disk`
    : null;
}

/** `0 2 * * *`, or with a time zone at the end: `0 2 * * * Europe/Berlin`. */
function readSchedule(
  read: ValueReader,
  setting: 'BACKUP_SCHEDULE' | 'BACKUP_DRILLS',
): BackupSchedule | null {
  const value = read.textOrDefault(setting);
  if (value === 'off') return null;
  const [, cron = value, timezone = 'UTC'] = /^(.*\S)\s+([A-Za-z]+\/[\w+/-]+|UTC)$/.exec(value) ?? [];
  try {
    firstRun(cron, timezone, new Date());
  } catch (error) {
    read.problem(
      setting,
      `${messageOf(error)}; write it like ${SETTINGS[setting].default}, or with a time zone like 0 2 * * * Europe/Berlin, or off`,
    );
  }
  return { cron, timezone };
}

function readKeep(read: ValueReader): KeepRule {
  const value = read.textOrDefault('BACKUP_KEEP');
  const rule = parseKeepRule(value);
  if (rule) return rule;
  read.problem('BACKUP_KEEP', `'${value}' is invalid; write it like ${SETTINGS.BACKUP_KEEP.default}`);
  return { hours: 0, days: 1, weeks: 0, months: 0, years: 0 };
}

/** Every setting that has a value, for the backups of the host. */
export function writtenSettings({ get }: Pick<Sources, 'get'>): WrittenSettings {
  const written = VARIABLES.flatMap((name): [string, string][] => {
    const value = get(name);
    return value === undefined ? [] : [[name, value]];
  });
  return {
    open: Object.fromEntries(written.filter(([name]) => !isSecret(name))),
    secret: Object.fromEntries(written.filter(([name]) => isSecret(name))),
  };
}

/** The values that the daemon uses after a reload: others change with a restart. */
export function reloadWritten(before: WrittenSettings, after: WrittenSettings): WrittenSettings {
  const merge = (part: keyof WrittenSettings) =>
    Object.fromEntries([
      ...Object.entries(before[part]).filter(([name]) => !isReloaded(name)),
      ...Object.entries(after[part]).filter(([name]) => isReloaded(name)),
    ]);
  return { open: merge('open'), secret: merge('secret') };
}

function isReloaded(name: string): boolean {
  return (SETTINGS as Readonly<Record<string, Setting>>)[name]?.reload === true;
}
