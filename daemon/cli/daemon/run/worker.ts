import { once } from 'node:events';
import { FleetStream } from '../../../../shared/client/stream.ts';
import { openSocket } from '../../../../shared/client/stream-socket.ts';
import { connectHost, urlHost } from '../../../../shared/host.ts';
import { exemptFromProxy } from '../../../../shared/proxy-exemptions.ts';
import { makePrivateDir } from '../../../base/files/dir.ts';
import { createLog } from '../../../base/log/log.ts';
import { refuseRootIn } from '../../../base/process-account.ts';
import { systemClock } from '../../../base/time/clock.ts';
import { loadConfig } from '../../../config/config.ts';
import { ControlPlaneClient } from '../../../control-plane/client.ts';
import { keyWarnings } from '../../../host/doctor/key-checks.ts';
import { hookTokenOf } from '../../../keys/hook-token.ts';
import { masterKeysOf } from '../../../keys/master-keys.ts';
import { handlerConfinement } from '../../../queue/handler-confinement.ts';
import { createWorker, DRAIN_MS } from '../../../queue/queue.ts';
import { HookClient } from '../../../queue/store/hook-client.ts';
import { createRemoteHost } from '../../../queue/worker/remote-host.ts';
import { type CliContext, printLine } from '../../context.ts';
import { printWarnings } from '../../output/print.ts';
import { serviceContext } from './service-context.ts';

export interface WorkerArguments {
  envFile?: string | undefined;
  dataDir?: string | undefined;
  /** Duration of a lease in milliseconds. It should be the same as that of the daemon's worker. */
  leaseMs?: number;
}

/** A worker in its own process. It accesses the queue directly, and continues while the daemon is stopped. */
export async function runWorker(
  { envFile, dataDir, leaseMs }: WorkerArguments,
  givenContext: CliContext,
): Promise<number> {
  const context = serviceContext(givenContext);
  const { env, cwd } = context;
  const loaded = loadConfig({ commandLine: { envFile, dataDir }, env, cwd });
  const { config, warnings } = loaded;
  refuseRootIn(config.dataDir);
  printWarnings([...warnings, ...keyWarnings(loaded)], context);
  exemptFromProxy([config.server.host, config.bindAddress]);
  // Like the daemon: the working directory of the start may be removed later.
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
      controlPlane: new ControlPlaneClient({ url, admin: config.admin, hookToken, dataDir: null }),
      masterKeys,
      userDatabasesDir: config.userDatabasesDir,
      instanceHost: host,
      daemonSocket: config.socketPath,
      hookToken,
      clock,
    }),
    masterKeys,
    tasksDir: config.tasksDir,
    confinement: handlerConfinement(config),
    allowedTargets: config.worker.allowedTargets,
    eventWebhook: config.eventWebhook,
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
  // The first signal stops the worker in order. The handlers are removed then, so a second signal kills the process.
  const signalled = Promise.race(
    ['SIGTERM', 'SIGINT'].map((signal) => once(process, signal, { signal: ended.signal })),
  ).finally(() => ended.abort());
  resources.defer(() => worker.stop(DRAIN_MS));
  const isUp = await Promise.race([worker.start().then(() => true), signalled.then(() => false)]);
  if (!isUp) return 0;

  // Wakes this worker when a task is due. Without the daemon, the worker polls the queue.
  const stream = new FleetStream({
    open: (listener) => openSocket({ target: { socketPath: config.socketPath } }, listener),
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
