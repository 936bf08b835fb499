import { FathomError } from '../../shared/errors.ts';

type JsonSchema = Readonly<Record<string, unknown>>;

/** A field of the form for a payload. */
export interface PayloadField {
  /** Name of the property; empty for a field with the whole payload. */
  name: string;
  label: string;
  hint?: string;
  required: boolean;
  kind: 'text' | 'number' | 'choice' | 'json';
  /** Attributes of the input. */
  input: { type?: string; min?: number; max?: number; maxLength?: number; step?: number | 'any' };
  /** The values of a choice, as JSON texts. */
  choices: readonly string[];
  /** What the field begins with, as its text. */
  initial: string;
}

const INPUT_TYPES: Readonly<Record<string, string>> = { date: 'date', email: 'email', uri: 'url' };

/** Returns the fields of the form for a JSON Schema. A value without a simple input is written as JSON. */
export function fieldsOf(schema: JsonSchema): PayloadField[] {
  const properties = Object.entries(asRecord(schema['properties']));
  if (schema['type'] !== 'object' || properties.length === 0)
    return schema['additionalProperties'] === false ? [] : [fieldOf('', schema, false)];
  const required = Array.isArray(schema['required']) ? schema['required'] : [];
  return properties.map(([name, property]) => fieldOf(name, asRecord(property), required.includes(name)));
}

/**
 * Builds the payload from the texts of a form, by the path of the field.
 *
 * @throws FathomError `request.invalid` for a text that is not JSON
 */
export function payloadOf(
  fields: readonly PayloadField[],
  texts: Readonly<Record<string, string>>,
): { payload?: unknown } {
  const values = fields.flatMap((field) => {
    const text = texts[pathOf(field)] ?? '';
    return text === '' && !(field.required && field.kind === 'text')
      ? []
      : [[field.name, valueOf(field, text)] as const];
  });
  const [whole] = fields;
  if (whole?.name !== '') return { payload: Object.fromEntries(values) };
  const [given] = values;
  return given ? { payload: given[1] } : {};
}

/** The path of a field in errors of the daemon. */
export function pathOf({ name }: PayloadField): string {
  return name === '' ? 'payload' : `payload.${name}`;
}

function fieldOf(name: string, schema: JsonSchema, required: boolean): PayloadField {
  const { title, description, default: initial } = schema;
  const choices = choicesOf(schema);
  const kind = kindOf(schema, choices);
  const asText = kind === 'text' && typeof initial === 'string' ? initial : JSON.stringify(initial);
  const hints = [description, kind === 'json' ? 'JSON' : undefined].filter(
    (hint) => typeof hint === 'string',
  );
  return {
    name,
    label: typeof title === 'string' && title !== '' ? title : name || 'Payload',
    ...(hints.length > 0 && { hint: hints.join(' · ') }),
    required,
    kind,
    input: inputOf(kind, schema),
    choices,
    initial: initial === undefined ? '' : (asText ?? ''),
  };
}

function choicesOf({ enum: values, type }: JsonSchema): string[] {
  if (Array.isArray(values)) return values.map((value) => JSON.stringify(value));
  return type === 'boolean' ? ['true', 'false'] : [];
}

function kindOf({ type }: JsonSchema, choices: readonly string[]): PayloadField['kind'] {
  if (choices.length > 0) return 'choice';
  if (type === 'number' || type === 'integer') return 'number';
  return type === 'string' ? 'text' : 'json';
}

function inputOf(kind: PayloadField['kind'], schema: JsonSchema): PayloadField['input'] {
  const { type, format, minimum, maximum, maxLength } = schema;
  if (kind === 'number')
    return {
      type: 'number',
      step: type === 'integer' ? 1 : 'any',
      ...(typeof minimum === 'number' && { min: minimum }),
      ...(typeof maximum === 'number' && { max: maximum }),
    };
  if (kind !== 'text') return {};
  return {
    type: INPUT_TYPES[String(format)] ?? 'text',
    ...(typeof maxLength === 'number' && { maxLength }),
  };
}

function valueOf(field: PayloadField, text: string): unknown {
  if (field.kind === 'text') return text;
  if (field.kind === 'number') return Number(text);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const fields = [{ path: pathOf(field), message: 'is not JSON' }];
    throw new FathomError('request.invalid', `${field.label} is not JSON`, { cause, fields });
  }
}

function asRecord(value: unknown): JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonSchema) : {};
}
