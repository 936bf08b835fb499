import { createHash } from 'node:crypto';
import { z } from 'zod';
import { parseDatabaseName } from '../../../shared/database-name.ts';
import type { Target } from '../targets/target.ts';

/*
 * `erased/HASH.json`: notes that a database was erased, without its name, which has a part of an e-mail address. Backups of the
 * control plane that are older than the erasure still have its rows: the restore of a host removes them.
 */
const PREFIX = 'erased/';

const noteSchema = z.strictObject({
  format: z.literal(1),
  /** Of its name: names are not given again. */
  day: z.string(),
  number: z.int(),
  /** The account was erased as well. */
  account: z.boolean(),
  erased_at: z.iso.datetime(),
});

export type ErasedDatabase = z.infer<typeof noteSchema>;

export async function noteErased(
  target: Target,
  database: string,
  { account, at }: { account: boolean; at: Date },
): Promise<void> {
  const name = parseDatabaseName(database);
  if (!name) throw new Error(`'${database}' is not the name of a database`);
  const note: ErasedDatabase = {
    format: 1,
    day: name.day,
    number: name.number,
    account,
    erased_at: at.toISOString(),
  };
  await target.put(`${PREFIX}${erasedId(database)}.json`, Buffer.from(JSON.stringify(note)));
}

/** All notes of a target, by `erasedId`. A note that is damaged still counts, without an account. */
export async function listErased(target: Target): Promise<Map<string, ErasedDatabase | null>> {
  const notes = new Map<string, ErasedDatabase | null>();
  for await (const { key } of target.list(PREFIX)) {
    const id = /^erased\/([0-9a-f]{64})\.json$/.exec(key)?.[1];
    if (id === undefined) continue;
    const content = await target.get(key);
    notes.set(id, content && readNote(content.toString()));
  }
  return notes;
}

/** What tells an erased database apart. */
export function erasedId(database: string): string {
  return createHash('sha256').update(`fathom/erased/${database}`).digest('hex');
}

function readNote(text: string): ErasedDatabase | null {
  try {
    return noteSchema.parse(JSON.parse(text));
  } catch {
    // It names a database all the same.
    return null;
  }
}
