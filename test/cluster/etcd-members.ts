import { join } from 'node:path';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';
import { scratch } from '../helpers/scratch.ts';
import { until } from '../helpers/until.ts';
import type { Host } from './network.ts';

const CLIENTS = 2379;
const PEERS = 2380;

const peerOf = ({ address }: Host) => `http://${address}:${PEERS}`;
const urlOf = ({ address }: Host) => `http://${address}:${CLIENTS}`;

export interface Member {
  kill(): Promise<void>;
  /** On the same data. */
  start(): void;
}

/** An etcd with one server on each host. `urls` as in FATHOM_CLUSTER. */
export async function startMembers(hosts: readonly Host[]): Promise<{ urls: string; members: Member[] }> {
  const directory = await scratch();
  const cluster = hosts.map((host, index) => `m${index}=${peerOf(host)}`).join(',');
  const members = hosts.map((host, index): Member => {
    const [program, ...words] = [
      ...host.within,
      'etcd',
      `--name=m${index}`,
      `--data-dir=${join(directory, `m${index}`)}`,
      '--pre-vote',
      `--listen-client-urls=${urlOf(host)}`,
      `--advertise-client-urls=${urlOf(host)}`,
      `--listen-peer-urls=${peerOf(host)}`,
      `--initial-advertise-peer-urls=${peerOf(host)}`,
      `--initial-cluster=${cluster}`,
    ] as const;
    const run = () => execa(program, words, { reject: false, stdio: 'ignore' });
    let child: ReturnType<typeof run> | null = null;
    return {
      start: () => {
        child = run();
      },
      kill: async () => {
        child?.kill('SIGKILL');
        await child;
      },
    };
  });
  for (const member of members) {
    member.start();
    onTestFinished(() => member.kill());
  }
  for (const host of hosts)
    await until(async () => (await fetch(`${urlOf(host)}/health`).catch(() => null))?.ok === true, {
      what: `etcd at ${host.address}`,
    });
  return { urls: hosts.map(urlOf).join(','), members };
}
