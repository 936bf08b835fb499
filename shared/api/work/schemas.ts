import { z } from 'zod';
import type { IntegerSchema, ObjectSchema, Schema } from '../../work/api/schema.ts';

/*
 * The application declares its requests and answers in JSON Schema, because PocketBase's JavaScript has no room for a library. Here,
 * they become schemas like those of all other operations.
 */

export const EXAMPLE_ID = '0b8f4c1e-7a52-4d0e-9a39-3f6f1c2d4e5a';
const EXAMPLE_MS = 1_768_465_800_000;

/** Makes schemas of bodies and answers: one for each that is declared, also where others refer to it. */
export class ApiSchemas {
  readonly #made = new Map<Schema, z.ZodType>();
  readonly #names: ReadonlyMap<Schema, string>;

  /** @param names of components in the OpenAPI document */
  constructor(names: ReadonlyMap<Schema, string>) {
    this.#names = names;
  }

  of(schema: Schema): z.ZodType {
    const made = this.#made.get(schema);
    if (made) return made;
    const id = this.#names.get(schema);
    const { description } = schema;
    const described = this.#plain(schema).meta({
      ...(id !== undefined && { id }),
      ...(description !== undefined && { description }),
      // An example of one field depends on its name, so only objects have one.
      ...('properties' in schema && { examples: [exampleOf(schema)] }),
    });
    this.#made.set(schema, described);
    return described;
  }

  #plain(schema: Schema): z.ZodType {
    const isNullable = typeof schema.type !== 'string';
    if ('items' in schema) {
      const list = z.array(this.of(schema.items)).max(schema.maxItems ?? Number.MAX_SAFE_INTEGER);
      return isNullable ? list.nullable() : list;
    }
    const { properties, required = [], additionalProperties } = schema as ObjectSchema;
    if (!properties) return fromJson(schema);
    const members = Object.entries(properties).map(([name, member]) => {
      const type = this.of(member);
      return [name, required.includes(name) ? type : type.optional()];
    });
    const shape = Object.fromEntries(members) as z.ZodRawShape;
    const object = additionalProperties === false ? z.strictObject(shape) : z.object(shape);
    return isNullable ? object.nullable() : object;
  }
}

/** The schema of a query, whose values are texts. */
export function queryOf({ properties = {}, required = [] }: ObjectSchema): z.ZodObject {
  const parameters = Object.entries(properties).map(([name, schema]): [string, z.ZodType] => {
    const described = schema.description === undefined ? {} : { description: schema.description };
    const parameter = parameterOf(schema).meta(described);
    return [name, required.includes(name) ? parameter : parameter.optional()];
  });
  return z.strictObject(Object.fromEntries(parameters));
}

function parameterOf(schema: Schema): z.ZodType {
  if (schema.type === 'boolean') return z.enum(['true', 'false']);
  if (schema.type !== 'integer') return fromJson(schema);
  const { minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER } = schema as IntegerSchema;
  return z.coerce.number().int().min(minimum).max(maximum);
}

function fromJson(schema: Schema): z.ZodType {
  return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
}

/** @param name of the field */
function exampleOf(schema: Schema, name = ''): unknown {
  if ('enum' in schema && schema.enum) return schema.enum[0];
  const type = typeof schema.type === 'string' ? schema.type : schema.type[0];
  if (type === 'boolean') return true;
  if (type === 'string') return /(^|_)id$/.test(name) ? EXAMPLE_ID : name;
  if (type === 'integer') return /_(at|date)$/.test(name) ? EXAMPLE_MS : 1;
  if ('items' in schema) return [exampleOf(schema.items, name)];
  const { properties = {}, required = [] } = schema as ObjectSchema;
  const [first] = Object.keys(properties);
  const shown = required.length > 0 ? required : first === undefined ? [] : [first];
  return Object.fromEntries(
    Object.entries(properties).flatMap(([key, value]) =>
      shown.includes(key) ? [[key, exampleOf(value, key)]] : [],
    ),
  );
}
