import { byteSize } from './byte-size.ts';
import type { Instance } from './instance.ts';

/** What deleting a database does to its data and to its owner, in sentences: for whoever is asked to confirm it. */
export function deletionConsequences({ email, usage }: Pick<Instance, 'email' | 'usage'>): string[] {
  const disk = usage?.disk_bytes ?? null;
  const size = disk === null ? '' : `, ${byteSize(disk)} on disk`;
  return [
    `Everything in it is gone at once: records, uploaded files and PocketBase's own backups of it${size}. Nothing but a copy that was made elsewhere brings it back.`,
    `${email ?? 'Its owner'} is cut off and keeps the account. While that is active, it is given a new and empty database of another name, within a minute or when signing in.`,
  ];
}
