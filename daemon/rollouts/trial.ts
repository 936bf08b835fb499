import { connectAddress } from '../../shared/host.ts';
import { freePort } from '../base/free-port.ts';
import type { Logger } from '../base/log/log.ts';
import { type Clock, deadline } from '../base/time/clock.ts';
import { NOTHING_SERVED, type ServedPaths } from '../databases/applications/assembled.ts';
import type { CatalogEntry } from '../databases/catalog.ts';
import { signOwnerToken } from '../databases/owner/owner-access.ts';
import type { TokenSource } from '../keys/instance-access.ts';
import type { Binary } from '../pocketbase/binary/binary.ts';
import { exitReason } from '../pocketbase/process/exit-reason.ts';
import { probe, READINESS_PATH, waitUntilReady } from '../pocketbase/process/probe.ts';
import { type ProcessDriver, watchExit } from '../pocketbase/process/process-driver.ts';
import { endOfLog, lastLines } from '../supervisor/instance-logs.ts';
import { dataDirOf, type InstanceSpec, lockFileOf } from '../supervisor/instance-spec.ts';
import { commandOf } from '../supervisor/start/launch.ts';
import { STOP_GRACE_MS, terminate } from '../supervisor/start/terminate.ts';
import type { DatabaseFacts } from './data/facts.ts';
import { smokeTest } from './smoke-test.ts';

const HOST = '127.0.0.1';
/** As long as a start may take: it includes the migrations of PocketBase itself. */
const READY_TIMEOUT_MS = 120_000;
/** Another program may take the port between its choice and the start. */
const ATTEMPTS = 3;

export interface TrialDeps {
  driver: ProcessDriver;
  clock: Clock;
  log: Logger;
}

/** The database whose data, or a copy of it, is tried. */
export interface TrialSubject {
  row: Pick<CatalogEntry['row'], 'user'>;
  runner: { spec: InstanceSpec };
  superuserToken: TokenSource;
}

export interface TriedVersion {
  entry: TrialSubject;
  /** That of the database, or of a clone of it. */
  directory: string;
  binary: Binary;
  facts: DatabaseFacts;
  /** Hooks and static files of applications; none by default. */
  served?: ServedPaths | undefined;
}

/**
 * Starts a version on the data of a database, on a port that no client knows, tests it and ends it.
 *
 * @returns why the version does not work with this data; null when it does
 */
export async function tryVersion(
  version: TriedVersion,
  deps: TrialDeps,
  signal: AbortSignal,
): Promise<string | null> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await tryOnce(version, deps, signal);
    if (outcome !== 'port_in_use' || attempt === ATTEMPTS) return outcome;
  }
}

async function tryOnce(
  { entry, directory, binary, facts, served = NOTHING_SERVED }: TriedVersion,
  { driver, clock }: TrialDeps,
  signal: AbortSignal,
): Promise<string | null> {
  const { spec } = entry.runner;
  const port = await freePort(HOST);
  const logStart = await endOfLog(spec.log);
  const process = await driver.spawn({
    ...commandOf(spec, port, { migrate: false }),
    binary: binary.path,
    dataDir: dataDirOf(directory),
    lockFile: lockFileOf(directory),
    host: HOST,
    ...served,
  });
  const gone = watchExit(process);
  const timeout = deadline(clock, READY_TIMEOUT_MS);
  try {
    const ended = AbortSignal.any([signal, gone.signal, timeout.signal]);
    const target = { host: HOST, port, path: READINESS_PATH };
    const ready = await waitUntilReady(target, { probe, clock, signal: ended, concurrentStarts: 1 });
    const exit = gone.exit();
    if (exit) {
      const { code, message } = exitReason(exit, await lastLines(spec.log, logStart), spec);
      return code === 'port_in_use' ? code : `it ends at its start: ${message}`;
    }
    signal.throwIfAborted();
    if (!ready) return `it does not answer within ${READY_TIMEOUT_MS / 1000} s`;
    const ownerId = entry.row.user;
    const problem = await smokeTest(
      {
        url: `http://${connectAddress(HOST, port)}`,
        facts,
        superuserToken: await entry.superuserToken(),
        owner:
          facts.owner === null
            ? null
            : {
                id: ownerId,
                token: await signOwnerToken(dataDirOf(directory), ownerId, { clock, limit: null }),
              },
      },
      ended,
    );
    signal.throwIfAborted();
    return gone.exit() ? 'it ended during the test' : problem;
  } finally {
    timeout.cancel();
    await terminate(process, { clock, graceMs: STOP_GRACE_MS });
  }
}
