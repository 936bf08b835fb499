import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { sha256Of } from '../../daemon/pocketbase/binary/executable-hash.ts';
import { messageOf } from '../../shared/errors.ts';
import { freePortRange } from './free-ports.ts';
import { testCacheDir } from './pinned-executable.ts';
import { pip } from './pip.ts';
import { until } from './until.ts';

const REQUIREMENTS = join(import.meta.dirname, 's3-server-requirements.txt');

type PlainRequest = Omit<RequestInit, 'headers'> & { headers?: Record<string, string> };

export interface S3Server extends AsyncDisposable {
  url: string;
  /** Credentials that the server accepts, after `requireCredentials`. */
  credentials: { AWS_ACCESS_KEY_ID: string; AWS_SECRET_ACCESS_KEY: string };
  /** From now on, the server refuses requests that are not signed by a known account. */
  requireCredentials(required: boolean): Promise<void>;
  createBucket(name: string, options?: { withLock?: boolean }): Promise<void>;
  /** From now on, each new object is locked for days. */
  setRetention(bucket: string, mode: 'COMPLIANCE' | 'GOVERNANCE', days: number): Promise<void>;
  /** A request without a valid signature. */
  request(path: string, options?: PlainRequest): Promise<Response>;
}

/**
 * The directory of moto, a server of S3, downloaded once per account and then read from its cache directory. Null where it
 * cannot be had, after one line `SKIPPED name: …`.
 */
export async function findS3Server(name: string): Promise<string | null> {
  try {
    return await install();
  } catch (error) {
    console.log(`SKIPPED ${name}: no server of S3 (${messageOf(error)})`);
    return null;
  }
}

async function install(): Promise<string> {
  const { stdout: python } = await execa('python3', [
    '-c',
    'import sys; print("%d.%d" % sys.version_info[:2])',
  ]);
  const hash = sha256Of(await readFile(REQUIREMENTS)).slice(0, 16);
  const directory = join(testCacheDir(), `moto-${hash}-python${python}`);
  if (existsSync(directory)) return directory;
  await mkdir(testCacheDir(), { recursive: true });
  // Several test files may download it at once: each moves a complete directory into place.
  const complete = join(testCacheDir(), randomUUID());
  try {
    await pip('install', ['--target', complete, '-r', REQUIREMENTS]);
    await rename(complete, directory).catch((error: unknown) => {
      if (!existsSync(directory)) throw error;
    });
    return directory;
  } finally {
    await rm(complete, { recursive: true, force: true });
  }
}

/**
 * @param directory of `findS3Server`
 * @param host where it runs: its address, and what a command there begins with
 */
export async function startS3Server(
  directory: string,
  host: { address: string; within: readonly string[] } = { address: '127.0.0.1', within: [] },
): Promise<S3Server> {
  const port = await freePortRange(1);
  const url = `http://${host.address}:${port}`;
  const moto = ['python3', '-m', 'moto.server', '-H', host.address, '-p', String(port)];
  const [program = '', ...words] = [...host.within, ...moto];
  const server = spawn(program, words, {
    env: { ...process.env, PYTHONPATH: directory },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  server.stderr.on('data', (data: Buffer) => {
    output = (output + String(data)).slice(-10_000);
  });
  const request = (path: string, { headers, ...options }: PlainRequest = {}) =>
    fetch(`${url}${path}`, { ...options, headers: { Authorization: scopeOf('s3'), ...headers } });
  const isReady = async () => {
    if (server.exitCode !== null) throw new Error(`moto has ended: ${output}`);
    return (await request('/moto-api/').catch(() => null))?.ok;
  };
  await until(isReady, { what: () => `moto: ${output}` });
  const requireCredentials = async (required: boolean) => {
    await request('/moto-api/reset-auth', { method: 'POST', body: required ? '0' : 'inf' });
  };
  return {
    url,
    credentials: await createAccount(url),
    requireCredentials,
    createBucket: async (name, { withLock = false } = {}) => {
      const headers = withLock ? { 'x-amz-bucket-object-lock-enabled': 'true' } : {};
      const { ok } = await request(`/${name}`, { method: 'PUT', headers });
      if (!ok) throw new Error(`the bucket ${name} was not created`);
    },
    setRetention: async (bucket, mode, days) => {
      const rule = `<Rule><DefaultRetention><Mode>${mode}</Mode><Days>${days}</Days></DefaultRetention></Rule>`;
      const body = `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`;
      const { ok } = await request(`/${bucket}?object-lock`, { method: 'PUT', body });
      if (!ok) throw new Error(`the retention of ${bucket} was not set`);
    },
    request,
    [Symbol.asyncDispose]: async () => {
      if (server.exitCode !== null) return;
      server.kill('SIGKILL');
      await once(server, 'exit');
    },
  };
}

/** An account with a key, which may do everything with S3. */
async function createAccount(url: string): Promise<S3Server['credentials']> {
  const policy = { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: '*' }] };
  const iam = async (action: string, parameters: Record<string, string> = {}) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { Authorization: scopeOf('iam') },
      body: new URLSearchParams({ Action: action, Version: '2010-05-08', UserName: 'fathom', ...parameters }),
    });
    if (!response.ok) throw new Error(`${action} was answered with ${response.status}`);
    return response.text();
  };
  await iam('CreateUser');
  await iam('PutUserPolicy', { PolicyName: 'all', PolicyDocument: JSON.stringify(policy) });
  const key = await iam('CreateAccessKey');
  const valueOf = (element: string) => new RegExp(`<${element}>([^<]+)<`).exec(key)?.[1] ?? '';
  return { AWS_ACCESS_KEY_ID: valueOf('AccessKeyId'), AWS_SECRET_ACCESS_KEY: valueOf('SecretAccessKey') };
}

/** The server finds the service in the scope of a signature. */
function scopeOf(service: string): string {
  return `AWS4-HMAC-SHA256 Credential=a/20240115/us-east-1/${service}/aws4_request`;
}
