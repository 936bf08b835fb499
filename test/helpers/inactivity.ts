import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Deployment } from './deployment.ts';

const DAY_MS = 86_400_000;

/** Settings with which databases that are not used are archived soon. The daemon is the scripted one. */
export const INACTIVE = {
  DATABASE_INACTIVE_DAYS: '90',
  TEST_SLEEP_AFTER_MS: '1000',
  TEST_INACTIVE_LOOK_MS: '200',
  PUBLIC_URL: 'https://fathom.example.com',
};

const usageFile = (fathom: Deployment) => join(fathom.dataDir, 'usage.db');

/** Lets days pass: all times in the history of usage move back. */
export function passDays(fathom: Deployment, days: number): void {
  const database = new DatabaseSync(usageFile(fathom), { timeout: 10_000 });
  const ms = days * DAY_MS;
  database.exec(`BEGIN IMMEDIATE;
    UPDATE last_uses SET used_at = used_at - ${ms};
    UPDATE inactivity SET counted_from = counted_from - ${ms}, week_notice = week_notice - ${ms}, day_notice = day_notice - ${ms};
    COMMIT`);
  database.close();
}

/** The names of databases whose days without use are counted. */
export function countedNames(fathom: Deployment): string[] {
  const database = new DatabaseSync(usageFile(fathom), { timeout: 10_000, readOnly: true });
  const rows = database.prepare('SELECT name FROM inactivity').all();
  database.close();
  return rows.map(({ name }) => String(name));
}
