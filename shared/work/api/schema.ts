import { BLANK, type NOT_BLANK, validateText } from '../texts.ts';

/** The keywords of JSON Schema that requests and answers use. PocketBase's JavaScript has no room for a schema library. */
export type Schema = StringSchema | IntegerSchema | BooleanSchema | ArraySchema | ObjectSchema;

type Type<T extends string> = T | readonly [T, 'null'];

interface Described {
  readonly description?: string;
}

export interface StringSchema extends Described {
  readonly type: Type<'string'>;
  readonly enum?: readonly string[];
  readonly minLength?: number;
  /** The text has more than white space. */
  readonly pattern?: typeof NOT_BLANK;
  readonly maxLength?: number;
}

export interface IntegerSchema extends Described {
  readonly type: Type<'integer'>;
  readonly minimum?: number;
  readonly maximum?: number;
}

export interface BooleanSchema extends Described {
  readonly type: Type<'boolean'>;
}

export interface ArraySchema extends Described {
  readonly type: Type<'array'>;
  readonly items: Schema;
  readonly maxItems?: number;
}

export interface ObjectSchema extends Described {
  readonly type: Type<'object'>;
  /** Absent: any object. */
  readonly properties?: { readonly [name: string]: Schema };
  readonly required?: readonly string[];
  readonly additionalProperties?: false;
}

/** The values that a schema admits. */
export type Infer<S> = S extends { type: readonly [infer T, 'null'] }
  ? InferOf<T, S> | null
  : S extends { type: infer T }
    ? InferOf<T, S>
    : never;

type InferOf<T, S> = T extends 'string'
  ? S extends { enum: readonly (infer E)[] }
    ? E
    : string
  : T extends 'integer'
    ? number
    : T extends 'boolean'
      ? boolean
      : T extends 'array'
        ? S extends { items: infer I }
          ? Infer<I>[]
          : never
        : S extends { properties: infer P }
          ? { [K in RequiredOf<P, S>]: Infer<P[K]> } & {
              [K in Exclude<keyof P, RequiredOf<P, S>>]?: Infer<P[K]>;
            }
          : Record<string, unknown>;

type RequiredOf<P, S> = S extends { required: readonly (infer R)[] } ? R & keyof P : never;

export interface ValueRefusal {
  code:
    | 'required'
    | 'unknown_field'
    | 'invalid_type'
    | 'not_one_of'
    | 'too_short'
    | 'blank'
    | 'too_long'
    | 'too_small'
    | 'too_large';
  message: string;
}

const MAX_REFUSALS = 20;

/**
 * Compares a value with a schema.
 * @returns the refusals by field, such as `title` or `labels.0`; none when the value is admitted
 */
export function validate(schema: Schema, value: unknown, path = ''): Map<string, ValueRefusal> {
  const refusals = new Map<string, ValueRefusal>();
  const refuse = (code: ValueRefusal['code'], message: string) => {
    refusals.set(path, { code, message });
    return refusals;
  };
  const [type, isNullable] = typeof schema.type === 'string' ? [schema.type, false] : [schema.type[0], true];
  if (value === null && isNullable) return refusals;
  if (!isOf(type, value))
    return refuse('invalid_type', `Must be ${NAMES[type]}${isNullable ? ' or null' : ''}.`);
  const join = (name: string) => (path === '' ? name : `${path}.${name}`);
  const add = (name: string, child: Schema, part: unknown) => {
    for (const [at, refusal] of validate(child, part, join(name))) refusals.set(at, refusal);
  };
  if ('items' in schema) {
    const list = value as unknown[];
    if (list.length > (schema.maxItems ?? Infinity))
      return refuse('too_long', `Must have at most ${schema.maxItems} entries.`);
    for (const [index, part] of list.entries()) add(String(index), schema.items, part);
  } else if (type === 'object') {
    const { properties, required = [], additionalProperties } = schema as ObjectSchema;
    if (!properties) return refusals;
    const known = new Map(Object.entries(properties));
    const given = new Map(Object.entries(value as object));
    for (const name of required)
      if (!given.has(name)) refusals.set(join(name), { code: 'required', message: 'Cannot be left out.' });
    for (const [name, part] of given) {
      if (refusals.size >= MAX_REFUSALS) break;
      const child = known.get(name);
      if (child) add(name, child, part);
      else if (additionalProperties === false)
        refusals.set(join(name), {
          code: 'unknown_field',
          message: `There is no such field. The fields are: ${[...known.keys()].join(', ')}.`,
        });
    }
  } else if (type === 'string') {
    const { enum: values, minLength = 0, maxLength = Infinity, pattern } = schema as StringSchema;
    const length = lengthOf(value as string, maxLength);
    if (values && !values.includes(value as string))
      return refuse('not_one_of', `Must be one of: ${values.join(', ')}.`);
    if (length < minLength)
      return refuse(
        'too_short',
        length === 0 ? 'Cannot be empty.' : `Must have at least ${minLength} characters.`,
      );
    if (length > maxLength) return refuse('too_long', `Must have at most ${maxLength} characters.`);
    if (pattern && validateText(value as string)) return refuse('blank', BLANK.message);
  } else if (type === 'integer') {
    const { minimum = -Infinity, maximum = Infinity } = schema as IntegerSchema;
    if ((value as number) < minimum) return refuse('too_small', `Must be at least ${minimum}.`);
    if ((value as number) > maximum) return refuse('too_large', `Must be at most ${maximum}.`);
  }
  return refusals;
}

/** In code points, as PocketBase counts. Longer than `max` is not counted: PocketBase's JavaScript is slow. */
function lengthOf(text: string, max: number): number {
  return text.length > 2 * max ? text.length : Array.from(text).length;
}

const NAMES = {
  string: 'a text',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
} as const;

function isOf(type: keyof typeof NAMES, value: unknown): boolean {
  if (type === 'array') return Array.isArray(value);
  if (type === 'integer') return Number.isSafeInteger(value);
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}

/** The values of a query, which are texts, with the types of their schema. What is no number stays a text, and is refused then. */
export function typedQuery(schema: ObjectSchema, query: { readonly [name: string]: string }): object {
  const known = new Map(Object.entries(schema.properties ?? {}));
  const typed = Object.entries(query).map(([name, text]): [string, unknown] => {
    const type = known.get(name)?.type;
    if (type === 'integer' && /^-?[0-9]{1,15}$/.test(text)) return [name, Number(text)];
    if (type === 'boolean' && (text === 'true' || text === 'false')) return [name, text === 'true'];
    return [name, text];
  });
  return Object.fromEntries(typed);
}
