import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { DamagedObject } from '../backup-problem.ts';
import type { Target } from '../targets/target.ts';
import { TargetFailure } from '../targets/target-failure.ts';

/**
 * An object that tells targets apart, so that no backup is written to a directory whose disk is not mounted. It names the host
 * that writes and prunes backups, because two hosts would remove the parts of each other.
 */
const KEY = 'fathom.json';

/** Earlier versions wrote no host, and later ones no daemon. */
const identitySchema = z.object({
  format: z.literal(1),
  id: z.uuid(),
  host: z.uuid().optional(),
  daemon: z.uuid().optional(),
});

type Identity = z.infer<typeof identitySchema>;

/** Who writes to a target. */
export interface TargetWriter {
  /** Id of this host. */
  host: string;
  /** Id of this process of the daemon: a copy of its data directory has the same id of the host. */
  daemon: string;
}

/** Who wants to use a target. */
export interface TargetClaim extends TargetWriter {
  /** This daemon has not used the target before. */
  isFirst: boolean;
  /** Id of the host whose backups were restored here; null if none was, or if it had no id. */
  restoredFrom: string | null;
  /** Id of the target at the last backup; null accepts any target that no other host uses. */
  expected: string | null;
  /** An administrator accepted the target as it is. */
  isAccepted: boolean;
}

/**
 * Checks that a target is the one that was used before, and that no other host uses it. Marks a new one, one that is
 * accepted, and one that a daemon uses for the first time: from then on, another daemon of the same host is refused.
 *
 * @returns its id
 * @throws TargetFailure `target_away`, `target_foreign`
 */
export async function identifyTarget(target: Target, claim: TargetClaim): Promise<string> {
  const { host, daemon, isFirst, restoredFrom, expected, isAccepted } = claim;
  const stored = await readMark(target);
  if (stored === null) {
    if (expected !== null) throw notMounted();
    return mark(target, { format: 1, id: randomUUID(), host, daemon });
  }
  const identity = parseIdentity(stored);
  if (expected !== null && identity.id !== expected) throw anotherTarget();
  if (identity.host === host && identity.daemon === daemon) return identity.id;
  if (identity.host === host && !isFirst && !isAccepted) throw ofCopy();
  if (identity.host !== host && identity.host !== undefined && !isAccepted)
    throw ofOtherHost(identity.host, restoredFrom);
  return mark(target, { ...identity, host, daemon });
}

/** Whether a target has the mark of a host. */
export async function isMarked(target: Target): Promise<boolean> {
  return (await readMark(target)) !== null;
}

/**
 * The id of a target that this daemon has marked before.
 *
 * @throws TargetFailure `target_away`, `target_foreign`
 */
export async function readTargetId(target: Target, { host, daemon }: TargetWriter): Promise<string> {
  const stored = await readMark(target);
  if (stored === null) throw notMounted();
  const identity = parseIdentity(stored);
  if (identity.host !== host) throw ofOtherHost(identity.host, null);
  if (identity.daemon !== daemon) throw ofCopy();
  return identity.id;
}

/** @throws TargetFailure when the disk of the target was unmounted since, another one mounted, or another daemon uses it */
export async function checkTargetId(target: Target, writer: TargetWriter, expected: string): Promise<void> {
  if ((await readTargetId(target, writer)) !== expected) throw anotherTarget();
}

/** The id of the host that uses a target; null for a target without a mark, or with one of an earlier version. */
export async function readTargetHost(target: Target): Promise<string | null> {
  const stored = await readMark(target);
  return stored === null ? null : (parseIdentity(stored).host ?? null);
}

/** Two daemons may mark a target at the same time: the last one has it. */
async function mark(target: Target, identity: Identity & TargetWriter): Promise<string> {
  await target.put(KEY, Buffer.from(JSON.stringify(identity)));
  return readTargetId(target, identity);
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

function anotherTarget(): TargetFailure {
  return new TargetFailure('target_foreign', 'the target is not the one that this host used before');
}

function ofOtherHost(owner: string | undefined, restoredFrom: string | null): TargetFailure {
  if (owner !== undefined && owner === restoredFrom)
    return new TargetFailure(
      'target_foreign',
      'the target is the one of the host that was restored here, and that host may still use it',
    );
  return new TargetFailure(
    'target_foreign',
    `another host${owner === undefined ? '' : ` (${owner})`} uses the target, and two hosts would remove the backups of each other`,
  );
}

/** The last one that was started has the target. */
function ofCopy(): TargetFailure {
  return new TargetFailure(
    'target_foreign',
    'a daemon that was started later uses the target with the same backup-host.json: one of both data directories is a copy',
    {
      remedy:
        "stop the daemon of the copy, and remove backup-host.json from its data directory; then run 'fathomd backups accept-target' here, if this is not the copy",
    },
  );
}

function damaged(cause: unknown): TargetFailure {
  return new TargetFailure('target_foreign', `${KEY} on the target is damaged, or not of Fathom`, { cause });
}

function parseIdentity(stored: Buffer): Identity {
  try {
    return identitySchema.parse(JSON.parse(stored.toString()));
  } catch (error) {
    throw damaged(error);
  }
}
