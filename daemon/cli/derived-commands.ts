import type { Options, PositionalOptions } from 'yargs';
import type { CommandFacts, CommandField } from '../../shared/api/contract/command-facts.ts';
import { OPERATIONS, type Operation } from '../../shared/client/operations.ts';
import { type AnyCommand, command, TABLE_OPTIONS } from './command.ts';
import { CONNECT_OPTIONS } from './connect.ts';
import { UsageError } from './input/usage-error.ts';

interface Derived {
  resource: string;
  method: string;
  operation: Operation;
  facts: CommandFacts;
}

const COMMON_OPTIONS = { ...TABLE_OPTIONS, ...CONNECT_OPTIONS };

const DERIVED: readonly Derived[] = Object.entries(OPERATIONS).flatMap(([resource, operations]) =>
  Object.entries(operations).flatMap(([method, operation]) =>
    operation.command ? [{ resource, method, operation, facts: operation.command }] : [],
  ),
);

/** The commands of operations whose declaration in `shared/api` names one. */
export const derivedCommands: readonly AnyCommand[] = DERIVED.map(derive);

/** Help texts of their groups, by the first word. */
export const DERIVED_GROUPS: Readonly<Record<string, string>> = Object.fromEntries(
  DERIVED.map(({ facts }) => [facts.words[0], facts.group]),
);

/** Exported for its test. */
export function derive({ facts, ...call }: Derived): AnyCommand {
  const { words, summary, parameters, fields } = facts;
  return command({
    words,
    summary,
    positionals: Object.fromEntries(parameters.map((name) => [name, positionalOf(name)])),
    options: {
      ...Object.fromEntries(fields.map((field) => [optionName(field.name), optionOf(field)])),
      ...COMMON_OPTIONS,
    },
    async run(args, context) {
      const { runDerived } = await import('./derived-action.ts');
      const values = args as Readonly<Record<string, unknown>>;
      const given = fields.flatMap((field) => {
        const value = values[optionName(field.name)];
        return value === undefined ? [] : [[field.name, valueOf(field, value)] as const];
      });
      return runDerived(
        {
          ...call,
          parameters: Object.fromEntries(parameters.map((name) => [name, String(values[name])])),
          fields: Object.fromEntries(given),
        },
        args,
        context,
      );
    },
  });
}

/** `user_id` is written `--user-id`. A field with the name of an option of every command, like `url`, is `--field-url`. */
function optionName(field: string): string {
  const name = field.replaceAll('_', '-');
  return name in COMMON_OPTIONS ? `field-${name}` : name;
}

function positionalOf(name: string): PositionalOptions {
  return { type: 'string', demandOption: true, describe: name === 'id' ? 'Id' : `Parameter ${name}` };
}

/** @throws UsageError for a number with words that is neither a whole number nor one of the words */
function valueOf({ name, type, words }: CommandField, value: unknown): unknown {
  if (!words) return value;
  const word = String(value);
  if (Object.hasOwn(words, word)) return words[word];
  if (type !== 'number') return value;
  if (/^\d{1,15}$/.test(word)) return Number(value);
  const allowed = ['a whole number', ...Object.keys(words).map((one) => `'${one}'`)].join(' or ');
  throw new UsageError(`--${optionName(name)} needs ${allowed}, not '${word}'`);
}

function optionOf({ type: fieldType, choices, describe, isRequired, words }: CommandField): Options {
  // A word is no number.
  const type = words ? 'string' : fieldType;
  return {
    type,
    describe,
    ...(choices && { choices }),
    ...(isRequired && { demandOption: true }),
    ...(type !== 'boolean' && { requiresArg: true }),
  };
}
