import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { TaskType } from '../../../shared/api/queue.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import { findHandler, listCustomTypes, requireNotWorldWritable } from '../handler-registry.ts';

/** A declaration is a few lines. */
const MAX_BYTES = 64 * 1024;

const declarationSchema = z.strictObject({
  owners: z.strictObject({
    /** What owners see instead of the type. */
    title: z.string().min(1).max(80).nullable().default(null),
    description: z.string().min(1).max(500).nullable().default(null),
    /** Waiting tasks of one owner and this type. */
    max_waiting: z.int().min(1).max(1_000).default(5),
    /** Tasks of this type that one owner adds in an hour. */
    per_hour: z.int().min(1).max(10_000).default(20),
    /** JSON Schema. */
    payload: z.record(z.string(), z.unknown()),
  }),
});

/** What owners may add. */
export interface OwnerRules {
  maxWaiting: number;
  perHour: number;
  payload: z.ZodType;
  /** What owners see of them. */
  shown: TaskType;
}

/**
 * Reads `report.weekly.json` beside the handler `report.weekly`. Without it, owners cannot add tasks of the type. Built-in
 * handlers send requests from this host, so they have none.
 *
 * @returns null when owners cannot add tasks of the type; the log has the problem of a declaration that is not valid
 */
export function readOwnerRules(type: string, tasksDir: string, log: Logger): OwnerRules | null {
  const path = join(tasksDir, `${type}.json`);
  try {
    if (findHandler(type, tasksDir)?.origin !== 'custom') return null;
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) return null;
    requireNotWorldWritable(path, found.mode);
    if (!found.isFile() || found.size > MAX_BYTES)
      throw new FathomError('request.invalid', `it is not a file of at most ${MAX_BYTES / 1024} KiB`);
    const { owners } = declarationSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
    const payload = z.fromJSONSchema(owners.payload);
    return { maxWaiting: owners.max_waiting, perHour: owners.per_hour, payload, shown: { type, ...owners } };
  } catch (error) {
    log.warn({ type }, `owners cannot add '${type}': ${path} is not valid: ${messageOf(error)}`);
    return null;
  }
}

/** Returns the types that owners may add, in order. */
export function listOwnerTypes(tasksDir: string, log: Logger): TaskType[] {
  return [...new Set(listCustomTypes(tasksDir))]
    .toSorted()
    .flatMap((type) => readOwnerRules(type, tasksDir, log)?.shown ?? []);
}
