import { packageVersion } from '../../../base/package.ts';
import { refuseRootIn } from '../../../base/process-account.ts';
import { systemClock } from '../../../base/time/clock.ts';
import { type LoadedConfig, loadConfig } from '../../../config/config.ts';
import { keyWarnings } from '../../../host/doctor/key-checks.ts';
import { inheritedSocket } from '../../../host/systemd/activation.ts';
import { Service } from '../../../host/systemd/service.ts';
import { statusLine } from '../../../host/systemd/status-line.ts';
import type { CliContext } from '../../context.ts';
import { printWarnings } from '../../output/print.ts';
import { diagnose } from './diagnose.ts';
import { type ForegroundOptions, runInForeground } from './foreground.ts';
import { reloadDaemon } from './reload.ts';
import { serviceContext } from './service-context.ts';

export interface ServeArguments {
  envFile?: string | undefined;
  dataDir?: string | undefined;
  /** Other settings of the command line, by name. */
  settings?: Readonly<Record<string, string>>;
  demo: boolean;
}

/** Generates no secrets: a service that cannot find its secrets must not create new ones. */
export async function serve({ demo, ...commandLine }: ServeArguments, context: CliContext): Promise<number> {
  const { env, cwd } = context;
  const load = () => loadConfig({ commandLine, env, cwd });
  return serveConfig(load(), { demo, load, ...commandLine }, context);
}

export async function serveConfig(
  loaded: LoadedConfig,
  options: { demo: boolean; load: () => LoadedConfig } & Omit<ServeArguments, 'demo'> &
    Pick<ForegroundOptions, 'onRunning'>,
  givenContext: CliContext,
): Promise<number> {
  const context = serviceContext(givenContext);
  const { config, warnings } = loaded;
  refuseRootIn(config.dataDir);
  printWarnings([...warnings, ...keyWarnings(loaded)], context);
  const { env, stdout } = context;
  const service = Service.detect({
    env,
    pid: process.pid,
    clock: systemClock,
    onProblem: (problem) => printWarnings([problem], context),
  });
  try {
    const { runDaemon } = await import('../../../daemon.ts');
    const adminSocketFd = inheritedSocket(env, process.pid);
    return await runInForeground({
      launch: (stopping, fleetEnd) =>
        runDaemon(config, {
          demo: options.demo,
          version: packageVersion(),
          adminSocketFd,
          stopping,
          fleetEnd,
          diagnose: (running) => diagnose(options, context, running),
        }),
      onRunning: async (stopping, daemon) => {
        service?.ready(() => statusLine(daemon.instances()));
        await options.onRunning?.(stopping, daemon);
      },
      onStop: async () => {
        const fleet = (await service?.readFleetEnd()) ?? 'stop';
        service?.stopping(fleet);
        return fleet;
      },
      // With a terminal, SIGHUP means that the terminal is gone.
      ...(stdout.isTTY === true
        ? {}
        : { onReload: (daemon) => reloadDaemon(daemon, options.load, service, context) }),
      context,
      signals: process,
      exit: (code) => process.exit(code),
    });
  } finally {
    await service?.close();
  }
}
