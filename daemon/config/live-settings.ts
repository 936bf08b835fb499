import type { Config } from './config.ts';

const RELOADABLE = [
  'corsOrigins',
  'limits',
  'signUps',
  'mail',
  'siteUrl',
  'oauth',
] as const satisfies readonly (keyof Config)[];

/** Settings that a reload changes in a running daemon. Read them here at every use. */
export type LiveSettings = Pick<Config, 'corsOrigins' | 'limits' | 'signUps' | 'mail' | 'siteUrl'>;

/** The names in `Config` of changed settings that need a restart. */
export function settingsThatNeedRestart(before: Config, after: Config): string[] {
  const reloadable: readonly string[] = RELOADABLE;
  const names = Object.keys(after) as (keyof Config)[];
  return names.filter((name) => !reloadable.includes(name) && text(before, name) !== text(after, name));
}

/** The level of the log is left out: a reload applies it. */
function text(config: Config, name: keyof Config): string {
  return JSON.stringify(
    name === 'log' ? { ...config.log, level: null } : config[name],
    (_key, value: unknown) =>
      ArrayBuffer.isView(value) ? Buffer.from(value as Uint8Array).toString('base64') : value,
  );
}
