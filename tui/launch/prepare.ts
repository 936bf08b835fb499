import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

/** What has to be so before React and Ink are loaded. */
export function prepareEnvironment(): void {
  // React reads it while it loads: unset, it would load its development build, which is half as fast.
  process.env['NODE_ENV'] ??= 'production';
  // Ink's colours do not know NO_COLOR.
  if (process.env['NO_COLOR']) process.env['FORCE_COLOR'] = '0';
  loadLess();
  // Warnings of Node would be written across the screen.
  process.removeAllListeners('warning');
}

/**
 * Ink takes one function from a library of 415 modules, whose loading takes a third of the start. Its own module is
 * loaded instead; where that is not found (another version), all of them are, as before.
 */
function loadLess(): void {
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      if (specifier !== 'es-toolkit/compat') return resolved;
      const url = new URL('./function/throttle.mjs', resolved.url);
      return existsSync(fileURLToPath(url)) ? { ...resolved, url: url.href } : resolved;
    },
  });
}
