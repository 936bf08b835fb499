import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { execa } from 'execa';
import { until } from '../helpers/until.ts';
import type { Container } from './container.ts';

const CLIENT = join(import.meta.dirname, 'client.ts');

export interface Load {
  written: number;
  failed: number;
  first_failures: string[];
  per_second: number;
  p99_ms: number;
  max_ms: number;
}

export interface Processes {
  daemon: string;
  /** Pids of PocketBase, as the container counts them. */
  global: string;
  users: string[];
}

function pidOf(line: string): string {
  return line.split(' ')[0] ?? '';
}

function isGlobal(line: string): boolean {
  return line.includes('/global/pb_data');
}

/** The installed Fathom in the container, as its administrator and its users see it. */
export class Stage {
  readonly container: Container;

  constructor(container: Container) {
    this.container = container;
  }

  systemctl(...args: string[]): Promise<string> {
    return this.container.run('systemctl', args);
  }

  property(name: string): Promise<string> {
    return this.systemctl('show', '--property', name, '--value', 'fathomd.service');
  }

  async processes(): Promise<Processes> {
    const list = await this.container.shell(
      'for p in /proc/[0-9]*; do [ "$(cat $p/comm 2>/dev/null)" = pocketbase ] && echo "${p#/proc/} $(tr "\\0" " " < $p/cmdline)"; done; true',
    );
    const lines = list.split('\n').filter((line) => line !== '');
    return {
      daemon: await this.property('MainPID'),
      global: lines.filter(isGlobal).map(pidOf).join(),
      users: lines.filter((line) => !isGlobal(line)).map(pidOf),
    };
  }

  /** Waits until another daemon than that one is ready; how long that took, in seconds. */
  async untilReplaced(daemon: string, timeoutMs: number): Promise<number> {
    const start = performance.now();
    await until(
      async () => {
        const is = await this.property('MainPID');
        return is !== '0' && is !== daemon && (await this.property('ActiveState')) === 'active';
      },
      { timeoutMs, what: 'another daemon to be ready' },
    );
    return (performance.now() - start) / 1000;
  }

  /** A request through nginx. */
  async call(
    method: string,
    url: string,
    body: object | null = null,
    token = '',
  ): Promise<{ status: number; body: string }> {
    return JSON.parse(
      await this.#client('call', method, url, body === null ? '' : JSON.stringify(body), token),
    ) as { status: number; body: string };
  }

  async connect(url: string, token: string): Promise<string> {
    return this.#client('connect', url, token);
  }

  /** Writes records until it is stopped. */
  load(url: string, token: string): Disposable & { end: () => Promise<Load> } {
    const [file, ...args] = this.#command('write', url, token);
    const writer: ChildProcess = spawn(file ?? '', args, {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const printed = text(writer.stdout as NodeJS.ReadableStream);
    const stop = () => writer.kill('SIGTERM');
    return {
      [Symbol.dispose]: stop,
      end: async () => {
        stop();
        return JSON.parse(await printed) as Load;
      },
    };
  }

  get #env(): NodeJS.ProcessEnv {
    return { ...process.env, CA_FILE: join(this.container.root, 'etc/nginx/fathom/fullchain.pem') };
  }

  /** In the network of the container, with the programs of this host. */
  #command(...args: string[]): string[] {
    const options = ['--disable-warning=ExperimentalWarning', CLIENT];
    return ['nsenter', '-t', String(this.container.init), '--net', process.execPath, ...options, ...args];
  }

  async #client(...args: string[]): Promise<string> {
    const [file, ...rest] = this.#command(...args);
    const { stdout } = await execa(file ?? '', rest, { env: this.#env });
    return stdout;
  }
}
