import { z } from 'zod';
import { ANSWERS } from '../../work/api/answers.ts';
import type { Operation } from '../../work/api/operation.ts';
import { OPERATIONS, type OperationName } from '../../work/api/operations.ts';
import type { Infer, ObjectSchema } from '../../work/api/schema.ts';
import type { Endpoint } from '../contract/endpoint.ts';
import { ApiSchemas, EXAMPLE_ID, queryOf } from './schemas.ts';

/*
 * The operations of the application `work-items`, which the own database of the caller answers at the same paths. They derive
 * from the table of the application.
 */

const tag = {
  name: 'Work items',
  description: 'Projects, items and sprints in the own database, with the application work-items.',
};

/** Of a body, beside its texts. JSON can write each of their characters in six bytes. */
const BODY_BYTES = 64 * 1024;
const BYTES_OF_CHARACTER = 6;
/** Time to wake the database, and for its answer. */
const TIMEOUT_MS = 30_000;

const idParameter = z
  .string()
  .regex(/^[a-z0-9-]{1,36}$/, 'is not the id of a record')
  .meta({ description: 'Id of a record.', examples: [EXAMPLE_ID] });

const shared = {
  tag,
  timeoutMs: TIMEOUT_MS,
  errors: ['not_found', 'conflict', 'database.unavailable', 'database.failed', 'application.missing'],
} as const;
const reads = { ...shared, permission: 'work-items.read' } as const;
const writes = {
  ...shared,
  permission: 'work-items.write',
  // The activity log of the database records it.
  audit: null,
  errors: [...shared.errors, 'database.full'],
} as const;

type CamelCase<S extends string> = S extends `${infer Word}_${infer Rest}`
  ? `${Word}${Capitalize<CamelCase<Rest>>}`
  : S;
type AnswerOf<N extends OperationName> = N extends keyof typeof ANSWERS
  ? { description: string; schema: z.ZodType<Infer<(typeof ANSWERS)[N]>> }
  : { description: string };
type BodyOf<O> = O extends { body: infer B } ? { body: z.ZodType<Infer<B>, Infer<B>> } : unknown;
type QueryOf<O> = O extends { query: { properties: infer P } }
  ? { query: z.ZodObject<{ [K in keyof P]: z.ZodOptional<z.ZodType<Infer<P[K]>, Infer<P[K]>>> }> }
  : unknown;
type EndpointOf<N extends OperationName, O extends Operation = (typeof OPERATIONS)[N]> = Omit<
  Endpoint,
  'path' | 'body' | 'query' | 'responses'
> & { path: O['path']; responses: Record<O['status'], AnswerOf<N>> } & BodyOf<O> &
  QueryOf<O>;
type Work = { readonly [N in OperationName as CamelCase<N>]: EndpointOf<N> };

const answers: Partial<Record<string, ObjectSchema>> = ANSWERS;
const schemas = new ApiSchemas(namesOf(answers));

/** Answers are named after what an operation shows or creates. */
function namesOf(all: typeof answers): Map<ObjectSchema, string> {
  const names = new Map<ObjectSchema, string>();
  for (const [operation, answer] of Object.entries(all)) {
    const [, name] = /^(?:get|create|start)(_\w+)$/.exec(operation) ?? [];
    if (answer && name !== undefined && !names.has(answer)) names.set(answer, camelCase(name));
  }
  return names;
}

function endpointOf(name: string, operation: Operation, answer: ObjectSchema | undefined): Endpoint {
  const { method, path, query, body, status } = operation;
  // The rest of a summary is its description.
  const [summary = '', ...rest] = operation.summary.split('. ');
  const response = { description: answer === undefined ? 'Done.' : 'The answer of the database.' };
  return {
    ...(method === 'GET' ? reads : writes),
    operationId: camelCase(name),
    method,
    path,
    summary,
    description: rest.length > 0 ? `${rest.join('. ')}.` : 'In the own database.',
    ...(path.includes('{id}') && { params: z.object({ id: idParameter }) }),
    ...(query && { query: queryOf(query) }),
    ...(body && { body: bodyOf(body), bodyLimitBytes: bodyLimitOf(body) }),
    responses: { [status]: answer === undefined ? response : { ...response, schema: schemas.of(answer) } },
  };
}

/** One without required fields can be left out. */
function bodyOf(body: ObjectSchema): z.ZodType {
  const schema = schemas.of(body);
  if ((body.required ?? []).length > 0) return schema;
  return schema.optional().meta({ examples: [{}] });
}

function bodyLimitOf({ properties = {} }: ObjectSchema): number {
  const characters = Object.values(properties).map((one) => ('maxLength' in one ? (one.maxLength ?? 0) : 0));
  return BODY_BYTES + BYTES_OF_CHARACTER * characters.reduce((sum, length) => sum + length, 0);
}

function camelCase(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

export const work = Object.fromEntries(
  Object.entries<Operation>(OPERATIONS).map(([name, operation]) => [
    camelCase(name),
    endpointOf(name, operation, answers[name]),
  ]),
) as unknown as Work;
