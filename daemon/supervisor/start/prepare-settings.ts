import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Adjustment } from '../../pocketbase/data/adjustment.ts';
import { type Settings, settingsAdjustment } from '../../pocketbase/data/settings.ts';

/** Updates the stored settings of a stopped instance and encrypts them with the current key. */
export function settingsOfInstance({
  name,
  keys,
  change,
  log,
}: {
  name: string;
  keys: readonly [string, ...string[]];
  change: (settings: Settings) => Settings | null;
  log: Logger;
}): Adjustment {
  const adjustment = settingsAdjustment({
    keys,
    change,
    // Does not block the start: PocketBase itself reports a problem of its file.
    onFailure: (error) => {
      log.warn({ instance: name }, `cannot update the settings: ${messageOf(error)}`);
    },
  });
  return {
    ...adjustment,
    apply: (database) => {
      adjustment.apply(database);
      log.info({ instance: name }, 'updated the settings');
    },
  };
}
