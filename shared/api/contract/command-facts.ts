import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';

/** What the command line needs to derive the command of an operation. */
export interface CommandFacts {
  words: readonly [string, string];
  summary: string;
  /** What all commands with the first word are about. */
  group: string;
  /** Parameters of the path, which are the arguments. */
  parameters: readonly string[];
  /** Fields of the query or body, which are the options. */
  fields: readonly CommandField[];
  /** Fields of an item; empty if the operation is not a list. */
  columns: readonly string[];
}

export interface CommandField {
  name: string;
  type: 'string' | 'number' | 'boolean';
  choices?: readonly string[];
  describe: string;
  isRequired: boolean;
  /** Words for values that are no number or text, such as `none` for null. */
  words?: Readonly<Record<string, number | null>>;
}

/** Options of a list that the client sets itself. */
const PAGING: ReadonlySet<string> = new Set(['page', 'per_page']);

/** Reads what the command line needs out of the declaration of an operation. */
export function commandFactsOf(
  command: string,
  { summary, tag, path, query, body, responses }: Endpoint,
): CommandFacts {
  const [group = '', verb = ''] = command.split(' ');
  const { properties = {}, required = [] } = jsonSchemaOf(body ?? query ?? z.object());
  return {
    words: [group, verb],
    summary,
    group: tag.description.replace(/\.$/, ''),
    parameters: [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name),
    fields: Object.entries(properties)
      .filter(([name]) => !PAGING.has(name))
      .map(([name, schema]) => fieldOf(name, schema, required.includes(name))),
    columns: itemFields(responses[200]?.schema),
  };
}

function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  // A schema with an id is a definition that the root refers to.
  const name = root.$ref?.split('/').at(-1);
  const named = (name === undefined ? undefined : root.$defs?.[name]) ?? root;
  // A body that can be left out.
  return named.anyOf?.find(({ properties }) => properties !== undefined) ?? named;
}

interface JsonSchema {
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  type?: string;
  enum?: string[];
  anyOf?: JsonSchema[];
  description?: string;
  /** In the `meta` of a field. */
  'x-words'?: Readonly<Record<string, number | null>>;
  properties?: Record<string, JsonSchema>;
  required?: string[];
}

function fieldOf(name: string, schema: JsonSchema, isRequired: boolean): CommandField {
  const { type, enum: values, description, anyOf, 'x-words': words } = schema;
  const value = anyOf?.find((one) => one.type !== 'null');
  if (value && anyOf?.some((one) => one.type === 'null'))
    return {
      words: words ?? { none: null },
      ...fieldOf(name, { ...value, ...(description && { description }) }, isRequired),
    };
  const describe = description?.replace(/\.$/, '') ?? `Value of ${name}`;
  // A query has no booleans.
  if (type === 'boolean' || values?.join() === 'true,false')
    return { name, type: 'boolean', describe, isRequired };
  const isNumber = type === 'number' || type === 'integer';
  return {
    name,
    type: isNumber ? 'number' : 'string',
    ...(values && { choices: values }),
    describe,
    isRequired,
    ...(words && { words }),
  };
}

function itemFields(page: z.ZodType | undefined): string[] {
  const items = page instanceof z.ZodObject ? page.shape['items'] : undefined;
  const item = items instanceof z.ZodArray ? items.element : undefined;
  return item instanceof z.ZodObject ? Object.keys(item.shape) : [];
}
