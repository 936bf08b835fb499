import { z } from 'zod';

interface JsonSchema {
  $ref?: string;
  $defs?: Record<string, JsonSchema>;
  const?: unknown;
  enum?: unknown[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  allOf?: JsonSchema[];
  not?: object;
  type?: string | string[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  propertyNames?: JsonSchema;
  required?: string[];
  additionalProperties?: JsonSchema | boolean;
  description?: string;
}

/** `input`: what a caller sends. `output`: what it gets. */
export type Direction = 'input' | 'output';

interface Named {
  texts: Partial<Record<Direction, string>>;
  description: string | undefined;
}

/**
 * Writes zod schemas as TypeScript types. Schemas with an id become types of that name; where what is sent differs from what
 * is got, the former is `<Name>Input`.
 */
export class TypeWriter {
  readonly #named = new Map<string, Named>();

  /** @returns a type expression. References are completed by `finish`. */
  typeOf(schema: z.ZodType, direction: Direction): string {
    const root = z.toJSONSchema(schema, { io: direction, unrepresentable: 'any' }) as JsonSchema;
    for (const [name, definition] of Object.entries(root.$defs ?? {}))
      this.#define(name, definition, direction);
    return expressionOf(root, direction);
  }

  /** Gives the type of a schema a name. */
  name(name: string, schema: z.ZodType, direction: Direction, description?: string): void {
    const text = this.typeOf(schema, direction);
    if (text !== reference(name, direction)) this.#add(name, text, direction, description);
  }

  has(name: string): boolean {
    return this.#named.has(name);
  }

  /** The declarations of all named types. */
  declarations(): string {
    return [...this.#named]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([name, { texts, description }]) => {
        const { input, output } = texts;
        const doc = comment(description);
        if (output === undefined) return [`${doc}export type ${name} = ${input};`];
        const received = `${doc}export type ${name} = ${output};`;
        return this.#differs(name) ? [received, `export type ${name}Input = ${input};`] : [received];
      })
      .map((text) => this.finish(text))
      .join('\n');
  }

  /** Puts the names of types in the place of references. */
  finish(text: string): string {
    return text.replace(REFERENCE, (_, name: string, direction: Direction) =>
      direction === 'input' && this.#differs(name) ? `${name}Input` : name,
    );
  }

  #define(name: string, definition: JsonSchema, direction: Direction): void {
    this.#add(name, expressionOf(definition, direction), direction, definition.description);
  }

  #add(name: string, text: string, direction: Direction, description: string | undefined): void {
    const named = this.#named.get(name) ?? { texts: {}, description };
    const former = named.texts[direction];
    if (former !== undefined && former !== text) throw new Error(`two types have the name ${name}`);
    named.texts[direction] = text;
    this.#named.set(name, named);
  }

  /** Whether what is sent has another type than what is got. */
  #differs(name: string): boolean {
    const { input, output } = this.#named.get(name)?.texts ?? {};
    if (input === undefined || output === undefined) return false;
    const inputNames = namesIn(input);
    return (
      withoutReferences(input) !== withoutReferences(output) || inputNames.some((used) => this.#differs(used))
    );
  }
}

const REFERENCE = /«(\w+):(input|output)»/g;

function reference(name: string, direction: Direction): string {
  return `«${name}:${direction}»`;
}

function namesIn(text: string): string[] {
  return [...text.matchAll(REFERENCE)].map(([, name = '']) => name);
}

function withoutReferences(text: string): string {
  // A caller may send undefined, which is left out.
  return text.replace(REFERENCE, '$1').replaceAll(' | undefined', '');
}

/** @returns with a line break at its end */
export function comment(text: string | undefined, indent = ''): string {
  return text === undefined ? '' : `${indent}/** ${text.replaceAll('*/', '* /').replaceAll('\n', ' ')} */\n`;
}

function expressionOf(schema: JsonSchema, direction: Direction): string {
  const of = (part: JsonSchema) => expressionOf(part, direction);
  const { $ref, anyOf, oneOf, allOf, enum: values, type } = schema;
  if ($ref !== undefined) return reference($ref.split('/').at(-1) ?? '', direction);
  if ('const' in schema) return JSON.stringify(schema.const);
  if (values) return values.map((value) => JSON.stringify(value)).join(' | ');
  const choices = anyOf ?? oneOf;
  if (choices) return [...new Set(choices.map(of))].join(' | ');
  if (allOf) return allOf.map((part) => `(${of(part)})`).join(' & ');
  if (schema.not) return 'never';
  if (Array.isArray(type)) return type.map((one) => of({ ...schema, type: one })).join(' | ');
  switch (type) {
    case undefined:
      return 'unknown';
    case 'string':
    case 'boolean':
    case 'null':
      return type;
    case 'number':
    case 'integer':
      return 'number';
    case 'array':
      return arrayOf(of(schema.items ?? {}));
    case 'object':
      return objectOf(schema, direction);
    default:
      throw new Error(`the type ${type} cannot be written`);
  }
}

export function arrayOf(item: string): string {
  return /^[\w«»:]+$/.test(item) ? `${item}[]` : `(${item})[]`;
}

function objectOf(schema: JsonSchema, direction: Direction): string {
  const { properties = {}, required = [], additionalProperties: others, propertyNames } = schema;
  const fields = Object.entries(properties).map(([name, field]) => {
    const isRequired = required.includes(name);
    const type = expressionOf(field, direction);
    // Also with exactOptionalPropertyTypes, a caller can pass on what may be absent.
    const value = isRequired || direction === 'output' || type === 'unknown' ? type : `${type} | undefined`;
    return `${comment(field.description)}${quoted(name)}${isRequired ? '' : '?'}: ${value};\n`;
  });
  const isOpen = others === true || (typeof others === 'object' && others !== null);
  if (!isOpen) return `{\n${fields.join('')}}`;
  if (fields.length > 0) return `{\n${fields.join('')}[name: string]: unknown;\n}`;
  const keys = propertyNames?.$ref || propertyNames?.enum ? expressionOf(propertyNames, direction) : 'string';
  return `Record<${keys}, ${others === true ? 'unknown' : expressionOf(others, direction)}>`;
}

function quoted(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name);
}
