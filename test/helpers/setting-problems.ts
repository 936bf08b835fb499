import { FathomError } from '../../shared/errors.ts';

/** The problems of settings with which `load` throws, as `PATH: message`; none when it does not. */
export function settingProblems(load: () => unknown): string[] {
  try {
    load();
  } catch (error) {
    if (error instanceof FathomError) return error.fields.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
  return [];
}
