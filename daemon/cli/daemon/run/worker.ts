import { once } from 'node:events';
import { FleetStream } from '../../../../shared/client/stream.ts';
import { connectHost, urlHost } from '../../../../shared/host.ts';
import { exemptFromProxy } from '../../../../shared/proxy-exemptions.ts';
import { makePrivateDir } from '../../../base/files/dir.ts';
import { createLog } from '../../../base/log/log.ts';
import { systemClock } from '../../../base/time/clock.ts';
import { loadConfig } from '../../../config/config.ts';
import { ControlPlaneClient } from '../../../control-plane/client.ts';
import { keyWarnings } from '../../../host/doctor/key-checks.ts';
import { hookTokenOf } from '../../../keys/hook-token.ts';
import { masterKeysOf } from '../../../keys/master-keys.ts';
import { createWorker, DRAIN_MS } from '../../../queue/queue.ts';
import { HookClient } from '../../../queue/store/hook-client.ts';
import { createRemoteHost } from '../../../queue/worker/remote-host.ts';
import { type CliContext, printLine } from '../../context.ts';
import { printWarnings } from '../../output/print-message.ts';
import { serviceContext } from './service-context.ts';

export interface WorkerArguments {
  envFile?: string | undefined;
  dataDir?: string | undefined;
  /** How long it may be silent, in milliseconds; the daemon's worker has to agree in spirit. */
  leaseMs?: number;
}

/** A worker of its own process. It reaches the queue itself, and goes on while the daemon is away. */
export async function runWorker(
  { envFile, dataDir, leaseMs }: WorkerArguments,
  givenContext: CliContext,
): Promise<number> {
  const context = serviceContext(givenContext);
  const { env, cwd } = context;
  const loaded = loadConfig({ commandLine: { envFile, dataDir }, env, cwd });
  const { config, warnings } = loaded;
  printWarnings([...warnings, ...keyWarnings(loaded)], context);
  exemptFromProxy([config.server.host, config.bindAddress]);
  // As the daemon does: the directory of the start may be removed.
  await makePrivateDir(config.dataDir);
  process.chdir(config.dataDir);
  await using resources = new AsyncDisposableStack();
  const clock = systemClock;
  const log = createLog({ level: config.log.level });
  const host = urlHost(connectHost(config.bindAddress));
  const url = `http://${host}:${config.globalPort}`;
  const hookToken = hookTokenOf(config.jwt.secret);
  const masterKeys = masterKeysOf(config);
  const hooks = new HookClient({ url, hookToken });
  resources.defer(() => hooks.close());

  const { worker, close } = createWorker({
    hooks,
    host: createRemoteHost({
      controlPlane: new ControlPlaneClient({ url, admin: config.admin, hookToken }),
      masterKeys,
      userDatabasesDir: config.userDatabasesDir,
      instanceHost: host,
      daemonSocket: config.socketPath,
      hookToken,
      clock,
    }),
    masterKeys,
    tasksDir: config.tasksDir,
    allowedTargets: config.worker.allowedTargets,
    slots: config.worker.concurrency,
    pollIntervalMs: config.worker.pollIntervalMs,
    leaseMs,
    onActivity: () => {},
    clock,
    log,
    random: Math.random,
  });
  resources.defer(close);
  const ended = new AbortController();
  // The first stops it in order; nobody listens then, so that the second ends it at once.
  const signalled = Promise.race(
    ['SIGTERM', 'SIGINT'].map((signal) => once(process, signal, { signal: ended.signal })),
  ).finally(() => ended.abort());
  resources.defer(() => worker.stop(DRAIN_MS));
  const isUp = await Promise.race([worker.start().then(() => true), signalled.then(() => false)]);
  if (!isUp) return 0;

  // Wakes this worker when there is something to do; without the daemon it looks by itself, now and then.
  const stream = new FleetStream({
    target: { socketPath: config.socketPath },
    topics: ['queue'],
    onLink: () => {},
    onSnapshot: () => worker.wake(),
    onEvent: ({ event }) => {
      if (event.kind === 'queue.stats') worker.wake();
      if (event.kind !== 'queue.task') return;
      if (event.task.status === 'pending') worker.wake();
      if (event.task.cancel_requested && event.task.worker_id === worker.id) worker.cancel(event.task.id);
    },
  });
  stream.start();
  resources.defer(() => stream.close());
  printLine(context.stdout, `worker ${worker.id} is up`);
  await signalled;
  return 0;
}
