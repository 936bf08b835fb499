import { z } from 'zod';
import type { Endpoint, Resource } from '../shared/api/contract/endpoint.ts';
import { itemSchemaOf } from '../shared/api/contract/page.ts';
import { RESOURCES } from '../shared/api/resources.ts';
import { operationOf } from '../shared/client/operations.ts';
import { arrayOf, comment, type TypeWriter } from './json-schema-types.ts';

/** The declaration of `FathomClient`. The sources infer it from zod. */
export function clientDeclaration(writer: TypeWriter): string {
  const resources = Object.entries<Resource>(RESOURCES).map(([name, resource]) => {
    const methods = Object.entries(resource).map(([method, endpoint]) => methodOf(writer, method, endpoint));
    return `readonly ${name}: {\n${methods.join('')}};\n`;
  });
  return `${OPTIONS}
/** The HTTP API as methods: parameters of the path, then the query or the body, then options. */
export interface FathomClient {\n${resources.join('')}}\n`;
}

const OPTIONS = `export interface CallOptions {
  /** Aborting rejects with the reason of the signal. */
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
}

export interface Page<Item> {
  items: Item[];
  page: number;
  per_page: number;
  total: number;
}
`;

function methodOf(writer: TypeWriter, method: string, endpoint: Endpoint): string {
  const { path, summary, description, operationId } = endpoint;
  const { sends, isPaged } = operationOf(endpoint);
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => `${name}: string`);
  const schema = sends === undefined ? undefined : endpoint[sends];
  const name = `${operationId[0]?.toUpperCase()}${operationId.slice(1)}${sends === 'body' ? 'Body' : 'Query'}`;
  const input =
    schema === undefined ? undefined : inputOf(writer, name, sends === 'query' ? queryOf(schema) : schema);
  const isOptional = schema?.safeParse(sends === 'query' ? {} : undefined).success;
  const inputs = input === undefined ? [] : [`${sends}${isOptional ? '?' : ''}: ${input}`];
  const result = resultOf(writer, endpoint);
  const doc = comment([`${summary}.`, description].filter((text) => text !== undefined).join(' '));
  const declared = `${doc}${method}(${[...parameters, ...inputs, 'options?: CallOptions'].join(', ')}): Promise<${result}>;\n`;
  if (method !== 'list' || isPaged !== true) return declared;
  const item = result.replace(/^Page<(.*)>$/s, '$1');
  return `${declared}/** Reads every page. */
all(query?: Omit<${input}, 'page' | 'per_page'>, options?: CallOptions): Promise<${arrayOf(item)}>;\n`;
}

function inputOf(writer: TypeWriter, name: string, schema: z.ZodType): string {
  const type = writer.typeOf(schema, 'input');
  // A union with one name is not worth another one.
  if (!type.includes('{')) return type;
  writer.name(name, schema, 'input');
  return name;
}

/** All of a query is text. Callers give numbers and booleans. */
function queryOf(query: z.ZodType): z.ZodType {
  if (!(query instanceof z.ZodObject)) return query;
  const fields = Object.entries(query.shape as Record<string, z.ZodType>).map(([name, field]) => {
    const { enum: values } = z.toJSONSchema(field, { io: 'input', unrepresentable: 'any' });
    if (values?.join() !== 'true,false') return [name, field];
    const boolean = z.boolean().meta({ description: field.description ?? '' });
    return [name, field.safeParse(undefined).success ? boolean.optional() : boolean];
  });
  return z.object(Object.fromEntries(fields) as z.ZodRawShape);
}

function resultOf(writer: TypeWriter, { responses }: Endpoint): string {
  const results = Object.values(responses).map(({ schema, stream }) => {
    if (stream) return 'AsyncIterable<Uint8Array>';
    if (schema === undefined) return 'void';
    const item = itemSchemaOf(schema);
    return item === null ? writer.typeOf(schema, 'output') : `Page<${writer.typeOf(item, 'output')}>`;
  });
  return [...new Set(results)].join(' | ');
}
