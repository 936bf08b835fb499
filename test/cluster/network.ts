import { execFileSync } from 'node:child_process';
import { execa } from 'execa';
import { onTestFinished } from 'vitest';

/** Addresses `10.77.0.N`, which only the namespaces of one run see. */
const PREFIX = '10.77.0.';
const OWN_NUMBER = 254;

/** Whether this process may make network namespaces; prints one line `SKIPPED name: …` when it may not. */
export function hasNamespaces(name: string): boolean {
  const probe = `fc${process.pid}-probe`;
  try {
    execFileSync('ip', ['netns', 'add', probe], { stdio: 'ignore' });
    execFileSync('ip', ['netns', 'delete', probe], { stdio: 'ignore' });
    return true;
  } catch {
    console.log(`SKIPPED ${name}: no network namespaces; run it as root, with the package 'iproute2'`);
    return false;
  }
}

export interface Host {
  address: string;
  /** A command begins with it, to run there. */
  within: readonly [string, ...string[]];
  /** Cuts its cable. */
  cut(): Promise<void>;
  join(): Promise<void>;
  /** Makes its network slow: with delays and losses, or with a rate where the kernel has no netem. */
  slow(): Promise<void>;
  restoreSpeed(): Promise<void>;
  /** The ids of all its processes. */
  pids(): Promise<number[]>;
}

const SLOW = [
  ['netem', 'delay', '100ms', '50ms', 'loss', '3%'],
  ['tbf', 'rate', '1mbit', 'burst', '16kb', 'latency', '500ms'],
];

const namespace = (name: string) => `fc${process.pid}-${name}`;

async function ip(...words: string[]): Promise<void> {
  await execa('ip', words);
}

/** Both directions, each at the end that sends. */
async function slowDown(device: readonly string[], remote: readonly string[]): Promise<void> {
  for (const [where, name] of [device, remote]) {
    const changes = SLOW.map((how) => [
      '-n',
      where ?? '',
      'qdisc',
      'replace',
      'dev',
      name ?? '',
      'root',
      ...how,
    ]);
    const [netem, tbf] = changes as [string[], string[]];
    await execa('tc', netem).catch(() => execa('tc', tbf));
  }
}

const atSwitch = (...words: string[]) => ip('-n', namespace('switch'), ...words);

/** Hosts on one switch, each with a network namespace of its own. This process is one of them. */
export async function createNetwork<const Name extends string>(
  names: readonly Name[],
): Promise<Record<Name, Host>> {
  onTestFinished(async () => {
    for (const name of [...names, 'switch'])
      await execa('ip', ['netns', 'delete', namespace(name)], { reject: false });
  });
  await ip('netns', 'add', namespace('switch'));
  await atSwitch('link', 'add', 'br0', 'type', 'bridge');
  await atSwitch('link', 'set', 'br0', 'up');
  const plug = async (port: string, ...peer: string[]) => {
    await atSwitch('link', 'add', port, 'type', 'veth', 'peer', 'name', ...peer);
    await atSwitch('link', 'set', port, 'master', 'br0', 'up');
  };
  const own = `fc${process.pid}`;
  await plug('own', own, 'netns', String(process.pid));
  await ip('address', 'add', `${PREFIX}${OWN_NUMBER}/24`, 'dev', own);
  await ip('link', 'set', own, 'up');
  const hosts: [Name, Host][] = [];
  for (const [index, name] of names.entries()) {
    const address = `${PREFIX}${index + 1}`;
    const inside = ['-n', namespace(name)];
    await ip('netns', 'add', namespace(name));
    await plug(name, 'eth0', 'netns', namespace(name));
    await ip(...inside, 'address', 'add', `${address}/24`, 'dev', 'eth0');
    for (const device of ['lo', 'eth0']) await ip(...inside, 'link', 'set', device, 'up');
    hosts.push([
      name,
      {
        address,
        within: ['ip', 'netns', 'exec', namespace(name)],
        cut: () => atSwitch('link', 'set', name, 'down'),
        join: () => atSwitch('link', 'set', name, 'up'),
        slow: () => slowDown([namespace('switch'), name], [namespace(name), 'eth0']),
        restoreSpeed: async () => {
          const ends = [namespace('switch'), name, namespace(name), 'eth0'] as const;
          for (const [where, device] of [ends.slice(0, 2), ends.slice(2)] as [string, string][])
            await execa('tc', ['-n', where, 'qdisc', 'delete', 'dev', device, 'root'], { reject: false });
        },
        pids: async () => {
          const { stdout } = await execa('ip', ['netns', 'pids', namespace(name)]);
          return stdout.split('\n').filter(Boolean).map(Number);
        },
      },
    ]);
  }
  return Object.fromEntries(hosts) as Record<Name, Host>;
}
