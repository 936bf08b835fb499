import type { NewTask } from '../../../shared/api/queue.ts';
import { messageOf } from '../../../shared/errors.ts';
import { newRecordId } from '../../../shared/record-id.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { Catalog } from '../../databases/catalog.ts';
import { toPocketBaseDate, withDatabase } from '../../pocketbase/data/sqlite.ts';
import type { Restores } from './restores.ts';

/** As in the migration of the other events. */
const ATTEMPTS = { max_attempts: 15, timeout_s: 60 } as const;

/** A database whose data was replaced by that of a backup. */
export interface RestoredEvent {
  database: string;
  /** Id of the owner. */
  user: string;
  /** Id of the backup; null for a restore to a time. */
  backup: string | null;
  /** The time that the data is of. */
  restored_to: string;
}

/** Adds the event `database.restored` for each restore that ends from now on, also for those of an earlier daemon. */
export function reportRestores(
  restores: Pick<Restores, 'ended'>,
  deps: {
    catalog: Pick<Catalog, 'find'>;
    addTask: (task: NewTask) => Promise<unknown>;
    clock: Clock;
    log: Logger;
  },
): void {
  const { catalog, addTask, clock, log } = deps;
  restores.ended.onRestored(async (database, id) => {
    const user = catalog.find(database)?.row.user ?? '';
    const event = eventOf({ database, user, id });
    try {
      await addTask({ type: 'webhook.send', payload: payloadOf(event, clock.now()), ...ATTEMPTS });
    } catch (error) {
      log.error({ err: error, instance: database }, `no event reports its restore: ${messageOf(error)}`);
    }
  });
}

/**
 * The same for a host that is restored, while no daemon runs: the next one delivers it.
 *
 * @param file `data.db` of the restored control plane
 * @param database with the id of the owner and of the backup
 */
export function recordRestored(
  file: string,
  database: { name: string; user: string; id: string },
  now: Date,
): void {
  const { name, user, id } = database;
  const payload = payloadOf(eventOf({ database: name, user, id }), now);
  withDatabase(file, { readOnly: false, isTrusted: true }, (control) => {
    // Backups of earlier releases.
    const hasEvents = control
      .prepare("SELECT 1 FROM pragma_table_info('queue_settings') WHERE name = 'event_webhooks'")
      .get();
    if (!hasEvents) return;
    const at = toPocketBaseDate(now);
    control
      .prepare(
        `INSERT INTO global_queue (id, type, payload, status, run_at, max_attempts, timeout_s, created, updated)
         SELECT ?, 'webhook.send', ?, 'pending', ?, ?, ?, ?, ? FROM queue_settings WHERE event_webhooks`,
      )
      .run(newRecordId(), JSON.stringify(payload), at, ATTEMPTS.max_attempts, ATTEMPTS.timeout_s, at, at);
  });
}

function payloadOf(data: RestoredEvent, now: Date) {
  return { type: 'database.restored', timestamp: now.toISOString(), data: { ...data } };
}

/** Ends with the id of a backup, which begins with its time (`idTimeOf`). That of an archive has the name of its database before. */
const BACKUP_ID = /(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)(\d{3})z-[0-9a-f]+$/;

/** @param restored.id of the backup or of the archive, or the time that was restored */
function eventOf({ database, user, id }: { database: string; user: string; id: string }): RestoredEvent {
  const [backup, year, month, day, hours, minutes, seconds, ms] = BACKUP_ID.exec(id) ?? [];
  if (backup === undefined) return { database, user, backup: null, restored_to: id };
  const restored_to = `${year}-${month}-${day}T${hours}:${minutes}:${seconds}.${ms}Z`;
  return { database, user, backup, restored_to };
}
