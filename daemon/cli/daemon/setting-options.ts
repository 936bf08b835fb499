import type { Options } from 'yargs';
import type { Setting } from '../../config/sources/setting.ts';
import { SETTINGS } from '../../config/sources/variables.ts';

/** Settings by option, such as `server-port`. Not secrets: other users of the host see the arguments of a process. */
const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries<Setting>(SETTINGS)
    .filter(([, { hidden }]) => hidden !== true)
    .map(([name]) => [name.toLowerCase().replaceAll('_', '-'), name]),
);

/** An option of `serve` for each setting, without a line in the help: docs/settings.md describes them. */
export const SETTING_OPTIONS: Readonly<Record<string, Options>> = Object.fromEntries(
  [...NAMES].map(([option, name]) => [
    option,
    { type: 'string', requiresArg: true, hidden: true, describe: `Setting ${name}` },
  ]),
);

/** The settings that arguments give, by their names. */
export function settingsIn(args: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(args).flatMap(([option, value]) => {
      const name = NAMES.get(option);
      return name === undefined || typeof value !== 'string' ? [] : [[name, value]];
    }),
  );
}
