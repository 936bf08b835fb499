import type { LoadedConfig } from '../../../config/config.ts';
import type { RunningDaemon } from '../../../daemon.ts';
import type { Service } from '../../../host/systemd/service.ts';
import { type CliContext, printLine } from '../../context.ts';
import { printWarnings } from '../../output/print-message.ts';
import { reportError } from '../../output/report-error.ts';

/** What SIGHUP does. A configuration that is not valid changes nothing: the daemon goes on with the one it has. */
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
    printLine(context.stderr, `fathomd: reloaded log level, limits, CORS and sign-in providers${hint}`);
  } catch (error) {
    printLine(context.stderr, 'fathomd: not reloaded; what was set before stays in force');
    reportError(error, context);
  } finally {
    service?.reloaded();
  }
}
