import type { Config } from './config.ts';

const RELOADABLE = ['corsOrigins', 'limits', 'oauth'] as const satisfies readonly (keyof Config)[];

/** Settings that a reload changes under way: whoever uses one reads it here each time. */
export type LiveSettings = Pick<Config, 'corsOrigins' | 'limits'>;

/** The parts of the configuration that differ and that only a restart applies, by their names in `Config`. */
export function needRestart(before: Config, after: Config): string[] {
  const reloadable: readonly string[] = RELOADABLE;
  const names = Object.keys(after) as (keyof Config)[];
  return names.filter((name) => !reloadable.includes(name) && text(before, name) !== text(after, name));
}

/** Of the log, the level alone is reloaded. */
function text(config: Config, name: keyof Config): string {
  return JSON.stringify(
    name === 'log' ? { ...config.log, level: null } : config[name],
    (_key, value: unknown) =>
      ArrayBuffer.isView(value) ? Buffer.from(value as Uint8Array).toString('base64') : value,
  );
}
