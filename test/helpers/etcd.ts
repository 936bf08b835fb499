import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import { freePortRange } from './free-ports.ts';
import { scratch } from './scratch.ts';
import { until } from './until.ts';

/** A real etcd, from Debian's `etcd-server` or another package. */
export interface Etcd {
  /** Of its API. */
  port: number;
  url: string;
  stop(): Promise<void>;
  /** On the same data and ports. */
  start(): Promise<void>;
  /** Its connections stay open, and nothing answers. */
  pause(): void;
  resume(): void;
}

/** Whether `etcd` is in PATH; prints one line `SKIPPED name: …` when it is not. */
export function hasEtcd(name: string): boolean {
  const directories = (process.env['PATH'] ?? '').split(delimiter);
  if (directories.some((directory) => existsSync(join(directory, 'etcd')))) return true;
  console.log(`SKIPPED ${name}: no etcd in PATH; install the package 'etcd-server'`);
  return false;
}

/** Starts etcd with one server on this host. @param flags more of its command line */
export async function startEtcd({
  scheme = 'http',
  flags = [],
}: {
  scheme?: 'http' | 'https';
  flags?: readonly string[];
} = {}): Promise<Etcd> {
  const directory = await scratch();
  const port = await freePortRange(2);
  const url = `${scheme}://127.0.0.1:${port}`;
  const peer = `http://127.0.0.1:${port + 1}`;
  let running: ReturnType<typeof run> | null = null;
  const run = () =>
    execa(
      'etcd',
      [
        `--data-dir=${join(directory, 'etcd')}`,
        '--pre-vote',
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=default=${peer}`,
        ...flags,
      ],
      { reject: false, all: true, forceKillAfterDelay: 5_000 },
    );
  const etcd: Etcd = {
    port,
    url,
    start: async () => {
      const child = run();
      running = child;
      let output = '';
      let hasEnded = false;
      void child.finally(() => {
        hasEnded = true;
      });
      child.all.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
      await until(
        () => {
          if (hasEnded) throw new Error(`etcd ended: ${output.slice(-2000)}`);
          return /ready to serve client requests|serving (?:insecure )?client requests/.test(output);
        },
        { what: () => `etcd: ${output.slice(-2000)}` },
      );
    },
    pause: () => running?.kill('SIGSTOP'),
    resume: () => running?.kill('SIGCONT'),
    stop: async () => {
      running?.kill('SIGCONT');
      running?.kill('SIGTERM');
      await running;
      running = null;
    },
  };
  await etcd.start();
  onTestFinished(() => etcd.stop());
  return etcd;
}
