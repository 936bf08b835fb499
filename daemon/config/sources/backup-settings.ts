import type { Setting } from './setting.ts';

/** Settings of backups; a part of `SETTINGS`. */
export const BACKUP_SETTINGS = {
  BACKUP_TARGET: {
    type: 'text',
    group: 'backups',
    about:
      'Where backups are stored: the path of a directory, s3://bucket/prefix?endpoint=… or sftp://user@host/path. Without it: ' +
      'FATHOM_DATA_DIR/backups, which is lost together with the disk.',
  },
  BACKUP_SCHEDULE: {
    type: 'text',
    group: 'backups',
    about:
      'When databases are backed up: a cron expression in UTC, or one that ends with a time zone, like ' +
      '0 2 * * * Europe/Berlin. Databases are spread over the hour that follows. off makes no backups by itself.',
    default: '0 2 * * *',
  },
  BACKUP_KEEP: {
    type: 'text',
    group: 'backups',
    about:
      'Which backups are kept: the newest of each of the last hours (h), days (d), weeks (w), months (m) and years (y) that ' +
      'have one. Days begin in the time zone of BACKUP_SCHEDULE.',
    default: '7d,4w,6m',
  },
  BACKUP_PARALLEL: {
    type: 'number',
    group: 'backups',
    about: 'Number of databases that are backed up at the same time.',
    default: 2,
    min: 1,
    max: 64,
  },
  BACKUP_BEFORE_CHANGES: {
    type: 'choice',
    group: 'backups',
    about:
      'Backs up each database right before an upgrade of PocketBase or of migrations, a pin or a restore changes it, if it ' +
      'has changed since its last backup. With BACKUP_SCHEDULE=off, none is made.',
    default: 'on',
    choices: ['on', 'off'],
  },
  BACKUP_DRILLS: {
    type: 'text',
    group: 'backups',
    about:
      'When backups are proven, in the form of BACKUP_SCHEDULE: a part of the databases is restored, started and tested each ' +
      'time, and all of them within four weeks. off proves backups on demand only.',
    default: '0 4 * * 0',
  },
  REPLICA: {
    type: 'text',
    group: 'backups',
    about:
      'Where Litestream replicates the changes of user databases while they run: the path of a directory, or ' +
      's3://bucket/prefix?endpoint=…. Replicas are not encrypted. Without it, no Litestream runs.',
  },
  LITESTREAM_BINARY_PATH: {
    type: 'path',
    group: 'backups',
    about:
      'Litestream executable for REPLICA, version 0.5.17 or a later 0.5. Without it: litestream in PATH.',
  },
} as const satisfies Record<string, Setting>;
