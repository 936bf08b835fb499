import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { instanceEncryptionKey } from '../daemon/keys/derived-keys.ts';
import { verifyBinary } from '../daemon/pocketbase/binary/binary.ts';

/** The floor: the same binary, started by hand. */
export const { path: BINARY } = await verifyBinary(null);

export const BARE_SUPERUSER = { email: 'admin@example.com', password: 'a-good-password' } as const;

const LOOK_EVERY_MS = 1;

export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ host: '127.0.0.1', port, path: '/api/health', agent: false }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
    });
    call.once('error', () => resolve(false));
    call.end();
  });
}

export async function untilAnswers(port: number): Promise<void> {
  while (!(await answers(port))) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
}

export async function untilSilent(port: number): Promise<void> {
  while (await answers(port)) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
}

const MIGRATIONS = fileURLToPath(new URL('../pb_migrations/user', import.meta.url));

/** What a fleet's user database needs to be served by hand as Fathom serves it. */
export function userInstance(
  dataDir: string,
  name: string,
  pbEncryptionKey: Uint8Array,
): { args: string[]; environment: Record<string, string> } {
  return {
    args: [
      `--dir=${join(dataDir, 'user_dbs', name, 'pb_data')}`,
      `--migrationsDir=${MIGRATIONS}`,
      '--encryptionEnv=PB_ENCRYPTION_KEY',
      '--hooksWatch=false',
      '--automigrate=false',
      '--dev=false',
    ],
    environment: { PB_ENCRYPTION_KEY: instanceEncryptionKey(pbEncryptionKey, name) },
  };
}

export interface BareInstance {
  tookMs: number;
  stop(): Promise<void>;
}

/** `pocketbase serve` until its first good answer. */
export async function bareBoot(
  port: number,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<BareInstance> {
  const started = performance.now();
  const child = spawn(BINARY, ['serve', `--http=127.0.0.1:${port}`, ...args], {
    stdio: 'ignore',
    env,
  });
  await untilAnswers(port);
  return { tookMs: performance.now() - started, stop: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null) await once(child, 'exit');
}
