import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { DamagedObject } from '../backup-problem.ts';
import type { Target } from '../targets/target.ts';
import { TargetFailure } from '../targets/target-failure.ts';

/** An object that tells targets apart, so that no backup is written to a directory whose disk is not mounted. */
const KEY = 'fathom.json';

const identitySchema = z.strictObject({ format: z.literal(1), id: z.uuid() });

/**
 * Checks that a target is the one that was used before. Marks a new one.
 *
 * @param expected the id at the last backup; null accepts any target
 * @returns its id
 * @throws TargetFailure `target_away`, `target_foreign`
 */
export async function identifyTarget(target: Target, expected: string | null): Promise<string> {
  const stored = await readMark(target);
  if (stored === null) {
    if (expected !== null) throw notMounted();
    const id = randomUUID();
    await target.put(KEY, Buffer.from(JSON.stringify({ format: 1, id })));
    return id;
  }
  const { id } = parseIdentity(stored);
  if (expected === null || id === expected) return id;
  throw foreign();
}

/**
 * The id of a target that was marked before.
 *
 * @throws TargetFailure `target_away`, `target_foreign`
 */
export async function readTargetId(target: Target): Promise<string> {
  const stored = await readMark(target);
  if (stored === null) throw notMounted();
  return parseIdentity(stored).id;
}

/** @throws TargetFailure when the disk of the target was unmounted since, or another one mounted */
export async function checkTargetId(target: Target, expected: string): Promise<void> {
  if ((await readTargetId(target)) !== expected) throw foreign();
}

async function readMark(target: Target): Promise<Buffer | null> {
  try {
    return await target.get(KEY);
  } catch (error) {
    throw error instanceof DamagedObject ? damaged(error) : error;
  }
}

function notMounted(): TargetFailure {
  return new TargetFailure(
    'target_away',
    "the backups of this host are not on the target any more: it is not mounted, or was emptied; for an emptied one run 'fathomd backups accept-target'",
  );
}

function foreign(): TargetFailure {
  return new TargetFailure('target_foreign', 'the target holds the backups of another host');
}

function damaged(cause: unknown): TargetFailure {
  return new TargetFailure('target_foreign', `${KEY} on the target is damaged, or not of Fathom`, { cause });
}

function parseIdentity(stored: Buffer): z.infer<typeof identitySchema> {
  try {
    return identitySchema.parse(JSON.parse(stored.toString()));
  } catch (error) {
    throw damaged(error);
  }
}
