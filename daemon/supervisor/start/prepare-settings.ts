import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import { bringSettings, type Settings } from '../../pocketbase/data/settings.ts';
import { dataDirOf } from '../instance-spec.ts';

/** Brings the stored settings of an instance that does not run to what they should be, under the current key. */
export function prepareSettings({
  name,
  directory,
  keys,
  change,
  log,
}: {
  name: string;
  directory: string;
  keys: readonly [string, ...string[]];
  change: (settings: Settings) => Settings | null;
  log: Logger;
}): void {
  const file = join(dataDirOf(directory), 'data.db');
  if (!existsSync(file)) return;
  try {
    if (bringSettings(file, keys, change)) log.info({ instance: name }, 'brought its settings up to date');
  } catch (error) {
    // Started all the same: PocketBase says what is wrong with its file, and that is what is shown.
    log.warn({ instance: name }, `its settings were left as they are: ${messageOf(error)}`);
  }
}
