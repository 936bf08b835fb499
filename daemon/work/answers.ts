import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { FathomError } from '../../shared/errors.ts';
import type { CatalogEntry } from '../databases/catalog.ts';
import { APPLICATIONS } from '../supervisor/hook-entry.ts';
import type { InstanceAnswer } from './instance-http.ts';
import { parse, refusalOf } from './refusals.ts';

const APPLICATION = 'work-items';

export interface Asked<S extends z.ZodType | undefined> {
  /** Without the query. */
  path: string;
  /** Of the response; undefined for one without a body. */
  schema: S;
}

/**
 * Reads what a database answered. Only fields of the schema remain.
 *
 * @throws FathomError the refusal of the database; `database.failed`, `application.missing`
 */
export function readAnswer<S extends z.ZodType | undefined>(
  answer: InstanceAnswer,
  { path, schema }: Asked<S>,
  entry: CatalogEntry,
): S extends z.ZodType ? z.output<S> : undefined;
export function readAnswer(
  answer: InstanceAnswer,
  { path, schema }: Asked<z.ZodType | undefined>,
  entry: CatalogEntry,
): unknown {
  const { name } = entry.row;
  if (answer.status >= 400) {
    if (answer.status === 404 && !hasApplication(entry)) throw missingApplication(name);
    throw refusalOf({ name, path, answer });
  }
  if (schema === undefined) return undefined;
  const read = schema.safeParse(parse(answer.body));
  if (read.success) return read.data;
  // Static files of other applications answer for unknown paths.
  if (!hasApplication(entry)) throw missingApplication(name);
  throw new FathomError(
    'database.failed',
    `the answer of ${name} has another form than ${APPLICATION} of Fathom gives; ask an administrator`,
    { cause: read.error },
  );
}

function hasApplication({ instance }: CatalogEntry): boolean {
  const { hooksDir } = instance.served;
  return hooksDir !== null && existsSync(join(hooksDir, APPLICATIONS, APPLICATION));
}

function missingApplication(name: string): FathomError {
  return new FathomError(
    'application.missing',
    `${name} does not have the application ${APPLICATION}; ask an administrator to run 'fathomd apps add ${APPLICATION} ${name}'`,
  );
}
