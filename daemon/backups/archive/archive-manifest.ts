import { z } from 'zod';
import { isDatabaseName } from '../../../shared/database-name.ts';

/** The first file in the directory of an archive. */
export const ARCHIVE_MANIFEST = 'manifest.json';

/** Shown in logs and terminals. */
const nameSchema = z.string().refine(isDatabaseName);
const idSchema = z.string().regex(/^[a-z0-9-]{1,64}$/);

/**
 * What an archive contains, in the order of its files. An import creates the same archive from it and compares both, so nothing
 * else of tar is possible there.
 */
export const archiveManifestSchema = z.strictObject({
  format: z.literal(1),
  database: nameSchema,
  /** The id of the backup. */
  backup: idSchema,
  created_at: z.iso.datetime(),
  files: z.array(
    z.strictObject({
      /** `data.db`, or a path below `storage/`. */
      path: z.string(),
      bytes: z.int().min(0),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});

export type ArchiveManifest = z.infer<typeof archiveManifestSchema>;

/** The directory that is in an archive. */
export function archiveDirectory({ database, backup }: Pick<ArchiveManifest, 'database' | 'backup'>): string {
  return `${database}-${backup}/`;
}
