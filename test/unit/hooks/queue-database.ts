import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import * as admin from '../../../pb_hooks/global/queue/admin.js';
import type { Database } from '../../../pb_hooks/global/queue/sql.js';
import * as work from '../../../pb_hooks/global/queue/work.js';
import type { QueueOperations } from '../../../shared/hooks/queue-operations.ts';

/** The columns and indexes of pb_migrations/global, as PocketBase creates them. */
const SCHEMA = `
  CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT DEFAULT '' NOT NULL, name TEXT DEFAULT '' NOT NULL);
  CREATE TABLE global_queue (
    id TEXT PRIMARY KEY, type TEXT DEFAULT '' NOT NULL, payload JSON DEFAULT NULL, secrets TEXT DEFAULT '' NOT NULL,
    user TEXT DEFAULT '' NOT NULL, status TEXT DEFAULT '' NOT NULL, priority NUMERIC DEFAULT 0 NOT NULL,
    run_at TEXT DEFAULT '' NOT NULL, attempts NUMERIC DEFAULT 0 NOT NULL, max_attempts NUMERIC DEFAULT 0 NOT NULL,
    timeout_s NUMERIC DEFAULT 0 NOT NULL, unique_key TEXT DEFAULT '' NOT NULL, worker_id TEXT DEFAULT '' NOT NULL,
    claimed_at TEXT DEFAULT '' NOT NULL, lease_expires_at TEXT DEFAULT '' NOT NULL,
    lease_epoch NUMERIC DEFAULT 0 NOT NULL, progress NUMERIC DEFAULT 0 NOT NULL,
    progress_message TEXT DEFAULT '' NOT NULL, result JSON DEFAULT NULL, errors JSON DEFAULT NULL,
    answer TEXT DEFAULT '' NOT NULL, error_signature TEXT DEFAULT '' NOT NULL,
    cancel_requested BOOLEAN DEFAULT FALSE NOT NULL, by_owner BOOLEAN DEFAULT FALSE NOT NULL, for_all BOOLEAN DEFAULT FALSE NOT NULL,
    finished_at TEXT DEFAULT '' NOT NULL,
    created TEXT DEFAULT '' NOT NULL, updated TEXT DEFAULT '' NOT NULL);
  CREATE INDEX idx_global_queue_due ON global_queue (priority DESC, run_at, created) WHERE status = 'pending';
  CREATE INDEX idx_global_queue_run_at ON global_queue (run_at) WHERE status = 'pending';
  CREATE INDEX idx_global_queue_updated ON global_queue (updated) WHERE status = 'pending';
  CREATE UNIQUE INDEX idx_global_queue_unique_key ON global_queue (unique_key)
    WHERE unique_key != '' AND status != 'done' AND status != 'failed' AND status != 'dead' AND status != 'cancelled';
  CREATE TABLE queue_settings (paused BOOLEAN DEFAULT FALSE NOT NULL, max_running NUMERIC DEFAULT 0 NOT NULL);
  INSERT INTO queue_settings (max_running) VALUES (2);
  CREATE TABLE queue_schedules (
    id TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, cron TEXT NOT NULL, timezone TEXT NOT NULL, task JSON, all_databases JSON,
    next_run_at TEXT DEFAULT '' NOT NULL, last_run_at TEXT DEFAULT '' NOT NULL);
`;

/** The operations of the queue on a database in memory, without PocketBase. */
export class QueueDatabase {
  readonly sql = new DatabaseSync(':memory:');

  constructor() {
    this.sql.exec(SCHEMA);
  }

  /** PocketBase writes a parameter as `{:name}`. */
  runner(inTransaction: boolean): Database {
    const prepare = (text: string, parameters: Parameters<Database['rows']>[1] = {}) => {
      const statement = this.sql.prepare(text.replace(/\{:(\w+)\}/g, ':$1'));
      statement.setAllowUnknownNamedParameters(true);
      const values = Object.entries(parameters).map(([name, value]) => [name, value ?? null]);
      return { statement, values: Object.fromEntries(values) as Record<string, SQLInputValue> };
    };
    const rows: Database['rows'] = (text, parameters) => {
      const { statement, values } = prepare(text, parameters);
      return statement.all(values).map(({ row }) => String(row ?? ''));
    };
    return {
      inTransaction,
      rows,
      firstRow: (text, parameters) => rows(text, parameters)[0] ?? null,
      execute: (text, parameters) => {
        const { statement, values } = prepare(text, parameters);
        return Number(statement.run(values).changes);
      },
    };
  }

  /** Runs an operation in a transaction, at once. */
  call<Name extends keyof QueueOperations>(
    name: Name,
    request: QueueOperations[Name]['request'],
    until = Date.now() + 60_000,
  ): QueueOperations[Name]['response'] {
    const { run } = { ...work.operations, ...admin.operations }[name];
    this.sql.exec('BEGIN IMMEDIATE');
    // The request crosses the wire as JSON.
    const text = run(this.runner(true), { ...JSON.parse(JSON.stringify(request)), until });
    this.sql.exec('COMMIT');
    return JSON.parse(text) as QueueOperations[Name]['response'];
  }
}
