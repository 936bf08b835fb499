import { z } from 'zod';
import { isDatabaseName } from '../../database-name.ts';
import { MAX_LIMIT, MIN_SLEEP_AFTER, SLEEP_AFTER_PROBLEM } from '../../limits.ts';
import { RECORD_ID } from '../../record-id.ts';

/** Fields and parameters that several resources share. */

export const EXAMPLE_ID = 'k3v9x2m7q1w8e5r';
export const EXAMPLE_TIME = '2026-01-15T08:30:00.000Z';
export const EXAMPLE_DATABASE = '2026-01-15-001-johndoe';

/** @param of such as `a user`, for messages */
export function recordId(of: string): z.ZodString {
  return z
    .string()
    .regex(RECORD_ID, `is not the id of ${of}`)
    .meta({ description: `Id of ${of}.`, examples: [EXAMPLE_ID] });
}

export function idParams(of: string) {
  return z.object({ id: recordId(of) });
}

/** Minutes without use after which a database sleeps; 0 is never. */
export const sleepAfter = z
  .int()
  .min(0)
  .max(MAX_LIMIT)
  .refine((minutes) => minutes === 0 || minutes >= MIN_SLEEP_AFTER, SLEEP_AFTER_PROBLEM);

export const databaseName = z
  .string()
  .refine(isDatabaseName, 'is not the name of a user database')
  .meta({ description: 'Name of a user database.', examples: [EXAMPLE_DATABASE] });

/** An object with a number for each name. */
export function countsBy<const K extends string>(names: readonly K[]) {
  const shape = Object.fromEntries(names.map((name) => [name, z.int()])) as Record<K, z.ZodInt>;
  return z.object(shape);
}
