import { expect } from 'vitest';
import { ANSWERS } from '../../../shared/work/api/answers.ts';
import { OPERATIONS, type OperationName } from '../../../shared/work/api/operations.ts';
import { type ObjectSchema, type Schema, validate } from '../../../shared/work/api/schema.ts';
import type { Answer, Person, WorkStage } from './stage.ts';

export interface Request {
  id?: string;
  query?: Record<string, string | number | boolean>;
  body?: unknown;
  headers?: Record<string, string>;
}

/** Sends the request of an operation. A successful answer has the fields of its schema, and no others. */
export async function operate(
  stage: WorkStage,
  person: Person,
  name: OperationName,
  { id = '', query = {}, body, headers }: Request = {},
): Promise<Answer> {
  const { method, path, status } = OPERATIONS[name];
  const search = new URLSearchParams(
    Object.entries(query).map(([key, value]): [string, string] => [key, String(value)]),
  );
  const url = `${path.replace('{id}', encodeURIComponent(id))}${search.size === 0 ? '' : `?${search.toString()}`}`;
  const answer = await stage.call(person, method, url, body, headers);
  if (answer.status !== status) return answer;
  const answers: { [operation in OperationName]?: ObjectSchema } = ANSWERS;
  const schema = answers[name];
  if (schema === undefined) expect(answer.body).toEqual({});
  else expect([...validate(closed(schema), answer.body)]).toEqual([]);
  return answer;
}

/** The schema without fields that it does not name. */
function closed(schema: Schema): Schema {
  if ('items' in schema) return { ...schema, items: closed(schema.items) };
  if (!('properties' in schema) || schema.properties === undefined) return schema;
  const properties = Object.entries(schema.properties).map(([name, child]) => [name, closed(child)] as const);
  return { ...schema, properties: Object.fromEntries(properties), additionalProperties: false };
}

/** The codes of the fields that were refused. */
export function codes({ status, body }: Answer): [number, Record<string, string>] {
  const fields = Object.entries((body['data'] ?? {}) as Record<string, { code: string }>);
  return [status, Object.fromEntries(fields.map(([field, { code }]) => [field, code]))];
}
