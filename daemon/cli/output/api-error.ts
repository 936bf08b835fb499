import { ApiError } from '../../../shared/client/api-error.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { AnyCommand } from '../command.ts';
import type { CliContext } from '../context.ts';

/** The command that lists the possible values of a positional argument, if it is not `GROUP list`. */
const LISTS: Readonly<Record<string, string>> = {
  logs: 'databases list',
  'queue unschedule': 'queue schedules',
};

/** Rewrites an error of the API for the command line: with the arguments and commands that the user knows. */
export function describeApiError(
  error: unknown,
  { words, positionals }: Pick<AnyCommand, 'words' | 'positionals'>,
  args: object,
  { env }: Pick<CliContext, 'env'>,
): unknown {
  if (!(error instanceof ApiError)) return error;
  const { code, message, fields } = error;
  if (code === 'auth.required')
    return new FathomError(code, whatIsNeeded(message, Boolean(env['FATHOM_TOKEN'])));
  const list = LISTS[words.join(' ')] ?? `${words[0]} list`;
  const named = Object.entries(args).flatMap(([place, value]) =>
    place in positionals ? [value].flat().map((one) => ({ place, quoted: `'${String(one)}'` })) : [],
  );
  const see = `see 'fathomd ${list}'`;
  if (code === 'not_found' && named.some(({ quoted }) => message.includes(quoted)))
    return new FathomError(code, message.includes(see) ? message : `${message}; ${see}`);
  const wrong = fields.flatMap((field) =>
    named
      .filter(({ place }) => place === field.path)
      .map(
        ({ quoted, place }) => `${aboutValue(quoted, field.message)}${place === 'email' ? '' : `; ${see}`}`,
      ),
  );
  return code === 'request.invalid' && wrong[0] !== undefined ? new FathomError(code, wrong[0]) : error;
}

/** The API writes "is not the name of a database", PocketBase "Must be a valid email address." */
function aboutValue(quoted: string, message: string): string {
  if (!/^[A-Z]/.test(message)) return `${quoted} ${message}`;
  return `${quoted}: ${message.charAt(0).toLowerCase()}${message.slice(1).replace(/\.$/, '')}`;
}

function whatIsNeeded(message: string, token: boolean): string {
  if (token) return `FATHOM_TOKEN is not accepted: ${message}`;
  const key = "'fathomd keys add' on its host makes an API key";
  return `authentication required: set FATHOM_TOKEN to a token of an administrator (${key}), or run this on its host without --url`;
}
