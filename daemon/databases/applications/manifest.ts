import { join } from 'node:path';
import { z } from 'zod';
import { describeIssue } from '../../../shared/api/contract/value-errors.ts';
import { messageOf } from '../../../shared/errors.ts';
import { systemErrorCode } from '../../base/files/dir.ts';
import { readLimited } from '../../base/files/read-limited.ts';
import { unreadable } from './read-tree.ts';
import { SetProblem } from './set-problem.ts';

/** The file that describes an application. Without it, the name of the directory is the name. */
export const MANIFEST_FILE = 'app.json';

const MAX_BYTES = 64 * 1024;
const MAX_DESCRIPTION = 500;

const manifestSchema = z.strictObject({
  name: z.string(),
  version: z.string().regex(/^\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?$/, 'write it like 1.2.0'),
  description: z.string().max(MAX_DESCRIPTION).default(''),
});

export type Manifest = z.infer<typeof manifestSchema>;

/**
 * Reads `app.json` of an application; null without one.
 *
 * @param name that of the directory
 * @throws SetProblem with the file and the field
 */
export async function readManifest(directory: string, name: string): Promise<Manifest | null> {
  const path = join(directory, MANIFEST_FILE);
  let content: Uint8Array;
  try {
    content = await readLimited(path, MAX_BYTES);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw unreadable(path, error, path);
  }
  return parseManifest(Buffer.from(content).toString('utf8'), path, name);
}

/** @throws SetProblem with the file and the field */
export function parseManifest(text: string, path: string, name: string): Manifest {
  const refuse = (why: string) => new SetProblem('manifest', path, `${path}: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse(`it is not JSON: ${messageOf(error)}`);
  }
  const parsed = manifestSchema.safeParse(value, { error: describeIssue });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const field = issue?.path.join('.') ?? '';
    throw refuse(field === '' ? (issue?.message ?? 'it is invalid') : `${field}: ${issue?.message}`);
  }
  if (parsed.data.name !== name)
    throw refuse(`name: it is '${parsed.data.name}', and the directory is named '${name}'`);
  return parsed.data;
}
