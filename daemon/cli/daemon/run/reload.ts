import type { LoadedConfig } from '../../../config/config.ts';
import { reloadedSettings } from '../../../config/live-settings.ts';
import type { RunningDaemon } from '../../../daemon.ts';
import type { Service } from '../../../host/systemd/service.ts';
import { type CliContext, printLine } from '../../context.ts';
import { printWarnings } from '../../output/print.ts';
import { reportError } from '../../output/report-error.ts';

/** Applies changed settings at SIGHUP. If a setting is invalid, the daemon keeps all its current settings. */
export async function reloadDaemon(
  daemon: Pick<RunningDaemon, 'reload'>,
  load: () => LoadedConfig,
  service: Service | null,
  context: CliContext,
): Promise<void> {
  service?.reloading();
  try {
    const { config, warnings } = load();
    printWarnings(warnings, context);
    const left = await daemon.reload(config);
    const hint = left.length > 0 ? `; to apply ${left.join(', ')} as well, restart the daemon` : '';
    printLine(context.stderr, `fathomd: reloaded ${reloadedSettings().join(', ')}${hint}`);
  } catch (error) {
    printLine(context.stderr, 'fathomd: not reloaded; the previous settings stay in force');
    reportError(error, context);
  } finally {
    service?.reloaded();
  }
}
