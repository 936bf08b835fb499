import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { instanceEncryptionKey } from '../../daemon/keys/derived-keys.ts';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import type { Deployment } from './deployment.ts';
import { fleetIdOf } from './leaks.ts';
import { testedPocketBase } from './tested-pocketbase.ts';
import { until } from './until.ts';

export interface ByHand {
  port: number;
  /** PocketBase's data directory; default: that of the database. */
  dir?: string;
  binary?: string;
  /** Takes the database's lock first. */
  lock?: boolean;
  /** Marked as a process of this deployment's fleet, for this instance. */
  markedAs?: string;
}

/** Runs `pocketbase serve` as a person or an earlier daemon does. */
export async function serveByHand(fathom: Deployment, name: string, options: ByHand): Promise<ChildProcess> {
  const directory = join(fathom.dataDir, 'user_dbs', name);
  const binary = options.binary ?? (await verifyBinary(await testedPocketBase())).path;
  const masterKey = Buffer.from(fathom.env['PB_ENCRYPTION_KEY'] ?? '', 'base64');
  const lock = ['flock', '--nonblock', '--no-fork', '--conflict-exit-code=200', join(directory, 'lock')];
  const [file, ...args] = [
    ...(options.lock === true ? lock : []),
    binary,
    'serve',
    `--http=127.0.0.1:${options.port}`,
    `--dir=${options.dir ?? join(directory, 'pb_data')}`,
    '--encryptionEnv=KEY',
    '--hooksWatch=false',
    '--automigrate=false',
    '--dev=false',
  ];
  const child = spawn(file ?? binary, args, {
    env: {
      PATH: process.env['PATH'],
      KEY: instanceEncryptionKey(masterKey, name),
      ...(options.markedAs === undefined
        ? {}
        : { FATHOM_FLEET: fleetIdOf(fathom.dataDir), FATHOM_INSTANCE: options.markedAs }),
    },
    stdio: 'ignore',
    detached: true,
  });
  await once(child, 'spawn');
  const ended = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return child;
}

/** Waits for its answer. */
export async function untilServing(port: number): Promise<void> {
  await until(
    async () => (await fetch(`http://127.0.0.1:${port}/api/health`).catch(() => null))?.ok === true,
    { what: `an answer on port ${port}` },
  );
}
