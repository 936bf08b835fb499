import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Adjustment } from '../../pocketbase/data/adjustment.ts';
import { type Settings, settingsAdjustment } from '../../pocketbase/data/settings.ts';

/** Brings the stored settings of an instance that does not run to what they should be, under the current key. */
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
    // Started all the same: PocketBase says what is wrong with its file, and that is what is shown.
    onFailure: (error) => {
      log.warn({ instance: name }, `its settings were left as they are: ${messageOf(error)}`);
    },
  });
  return {
    ...adjustment,
    apply: (database) => {
      adjustment.apply(database);
      log.info({ instance: name }, 'brought its settings up to date');
    },
  };
}
