import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { type Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import type { Etcd } from './etcd.ts';
import { BASE_ENVIRONMENT, FATHOMD, fathomd } from './fathomd.ts';
import { freePortRange } from './free-ports.ts';
import { scratch } from './scratch.ts';
import { until } from './until.ts';

export const EDGE_DOMAIN = 'fathom.test';

/** Settings of nodes behind the edge, and of the edge. */
export const EDGE_SETTINGS = {
  PB_PUBLIC_URL: `http://{name}.db.${EDGE_DOMAIN}`,
  PUBLIC_URL: `http://api.${EDGE_DOMAIN}`,
  TRUSTED_PROXIES: '127.0.0.1,::1',
} as const;

/** Debian has it in a directory for administrators. */
export const HAPROXY_PATH = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin`;

/** Whether `haproxy` is here; prints one line `SKIPPED name: …` when it is not. */
export function hasHaproxy(name: string): boolean {
  if (HAPROXY_PATH.split(delimiter).some((directory) => existsSync(join(directory, 'haproxy')))) return true;
  console.log(`SKIPPED ${name}: no haproxy in PATH; install the package 'haproxy'`);
  return false;
}

export interface EdgeResponse {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

export interface EdgeRequest {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  /** The address of this host from which the client connects. */
  from?: string;
  /** Keeps connections open; by default, each request has its own. */
  agent?: Agent;
  /** When the client gives up. */
  signal?: AbortSignal;
}

/** HAProxy with the configuration of `fathomd edge haproxy`, and `fathomd edge run` beside it. */
export interface ClusterEdge {
  port: number;
  configuration: string;
  agent: Restartable;
  haproxy: Restartable;
  /** The response, whose body has not been read. Every name leads to this edge. */
  open(host: string, path: string, request?: EdgeRequest): Promise<IncomingMessage>;
  call(host: string, path: string, request?: EdgeRequest): Promise<EdgeResponse>;
  /** What the agent printed. */
  log(): string;
}

export interface Restartable {
  /** As a crash. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** @param host where it runs: its address, and what a command there begins with */
export async function startClusterEdge(
  etcd: Pick<Etcd, 'url'>,
  host: { address: string; within: readonly string[] } = { address: '127.0.0.1', within: [] },
): Promise<ClusterEdge> {
  const directory = await scratch();
  const port = await freePortRange(1);
  const settings = { FATHOM_CLUSTER: etcd.url, FATHOM_NODE: 'edge', ...EDGE_SETTINGS };
  const files = ['--directory', directory, '--haproxy-socket', join(directory, 'admin.sock')];
  const print = ['edge', 'haproxy', '--user', 'none', '--http-port', String(port), ...files];
  const { stdout: configuration, stderr, exitCode } = await fathomd(print, { env: settings });
  if (exitCode !== 0) throw new Error(`edge haproxy ended with ${exitCode}: ${stderr}`);
  const file = join(directory, 'haproxy.cfg');
  await writeFile(file, `${configuration}\n`);

  let printed = '';
  const run = (command: readonly string[]) => [...host.within, ...command] as [string, ...string[]];
  const open: ClusterEdge['open'] = (
    name,
    target,
    { method = 'GET', headers = {}, body, from, agent, signal } = {},
  ) =>
    new Promise((resolve, reject) => {
      const call = request(
        {
          host: host.address,
          port,
          path: target,
          method,
          agent: agent ?? false,
          ...(signal === undefined ? {} : { signal }),
          headers: {
            host: name,
            ...(body === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
            ...headers,
          },
          ...(from === undefined ? {} : { localAddress: from }),
        },
        resolve,
      );
      call.once('error', reject);
      call.end(body);
    });
  const haproxy = restartable(
    () => {
      const [program, ...words] = run(['haproxy', '-db', '-f', file]);
      return execa(program, words, { env: { PATH: HAPROXY_PATH }, reject: false, all: true });
    },
    () => open('absent.invalid', '/').then((response) => response.resume() !== null),
  );
  const agent = restartable(
    () => {
      const [program, ...words] = run([FATHOMD, 'edge', 'run', ...files]);
      const child = execa(program, words, {
        env: { ...BASE_ENVIRONMENT, ...settings },
        extendEnv: false,
        reject: false,
        all: true,
      });
      printed = '';
      child.all.on('data', (chunk: Buffer) => {
        printed += chunk.toString();
      });
      return child;
    },
    async () => printed.includes('HAProxy has all routes'),
  );
  await haproxy.start();
  await agent.start();
  return {
    port,
    configuration,
    agent,
    haproxy,
    open,
    call: async (name, target, options) => {
      const response = await open(name, target, options);
      let text = '';
      for await (const chunk of response) text += String(chunk);
      return { status: response.statusCode ?? 0, headers: response.headers, text };
    },
    log: () => printed,
  };
}

interface Child extends Promise<unknown> {
  all: NodeJS.ReadableStream;
  kill(signal: NodeJS.Signals): boolean;
}

function restartable(run: () => Child, isReady: () => Promise<boolean>): Restartable {
  let child: Child | null = null;
  const kill = async () => {
    child?.kill('SIGKILL');
    await child;
    child = null;
  };
  onTestFinished(kill);
  return {
    kill,
    start: async () => {
      const started = run();
      child = started;
      let output = '';
      let hasEnded = false;
      started.all.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
      void started.finally(() => {
        hasEnded = true;
      });
      await until(
        () => {
          if (hasEnded) throw new Error(`it ended: ${output}`);
          return isReady().catch(() => false);
        },
        { what: () => `the edge: ${output}` },
      );
    },
  };
}

/** The host name of a database. */
export const hostOfDatabase = (name: string) => `${name}.db.${EDGE_DOMAIN}`;
