import { readFileSync } from 'node:fs';
import { onTestFinished } from 'vitest';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { FATHOMD } from '../helpers/fathomd.ts';
import { fleetIdOf, keeperOf } from '../helpers/leaks.ts';
import type { Member } from './etcd-members.ts';
import type { Host } from './network.ts';

/** As `RestartSec` of a service. */
const RESTART_MS = 500;

export const serveAt = ({ within }: Host): readonly [string, ...string[]] => [...within, FATHOMD, 'serve'];

/** A node of Fathom and a server of etcd on one host. Its daemon is started again whenever it ends, as by systemd. */
export class Server {
  readonly name: string;
  readonly host: Host;
  readonly fathom: Deployment;
  /** Outputs of daemons that have ended. */
  readonly outputs: string[] = [];
  readonly #member: Member;
  readonly #settings: Record<string, string>;
  #daemon: Daemon | null = null;
  #isOn = false;
  #isMemberOn = true;
  #isClosed = false;
  #loop: Promise<void> = Promise.resolve();

  /** @param options.settings of each start but the first */
  constructor({
    name,
    host,
    member,
    fathom,
    settings,
  }: { name: string; host: Host; member: Member; fathom: Deployment; settings: Record<string, string> }) {
    this.name = name;
    this.host = host;
    this.fathom = fathom;
    this.#member = member;
    this.#settings = settings;
    onTestFinished(() => this.close());
  }

  /** Everything that its daemons printed. */
  get output(): string {
    return [...this.outputs, this.#daemon?.output() ?? ''].join('\n---\n');
  }

  get isMemberOn(): boolean {
    return this.#isMemberOn;
  }

  /** @param daemon that runs already */
  begin(daemon: Daemon | null = null): void {
    if (this.#isOn || this.#isClosed) return;
    this.#isOn = true;
    this.#loop = this.#keep(daemon);
  }

  /** The daemon alone; the next one is started at once. */
  async killDaemon(): Promise<void> {
    const daemon = this.#daemon;
    daemon?.signal('SIGKILL');
    await daemon?.exited;
  }

  async killKeeper(): Promise<void> {
    process.kill(await this.keeper(), 'SIGKILL');
  }

  keeper(): Promise<number> {
    return keeperOf(fleetIdOf(this.fathom.dataDir));
  }

  /** Ends Litestream, when it runs. */
  async killLitestream(): Promise<void> {
    for (const pid of await this.host.pids())
      if (wordsOf(pid)[0]?.endsWith('/litestream')) process.kill(pid, 'SIGKILL');
  }

  async killMember(): Promise<void> {
    this.#isMemberOn = false;
    await this.#member.kill();
  }

  startMember(): void {
    if (this.#isMemberOn) return;
    this.#isMemberOn = true;
    this.#member.start();
  }

  /** As when the server loses its power. */
  async kill(): Promise<void> {
    this.#isOn = false;
    this.#isMemberOn = false;
    for (let pids = await this.host.pids(); pids.length > 0; pids = await this.host.pids())
      for (const pid of pids) signal(pid, 'SIGKILL');
    await this.#loop;
    await this.#member.kill();
  }

  /** As when the hypervisor stops it. */
  async pause(): Promise<void> {
    // Children first would be seen by their parents.
    for (const pid of await this.host.pids()) signal(pid, 'SIGSTOP');
  }

  async resume(): Promise<void> {
    for (const pid of await this.host.pids()) signal(pid, 'SIGCONT');
  }

  /** Ends each fault of this server. */
  async heal(): Promise<void> {
    await this.resume();
    await this.host.restoreSpeed();
    await this.host.join();
    this.startMember();
    this.begin();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.heal();
    this.#isOn = false;
    await this.#daemon?.stop();
    await this.#loop;
  }

  async #keep(first: Daemon | null): Promise<void> {
    let daemon = first;
    while (this.#isOn) {
      daemon ??= this.fathom.launch(this.#settings, serveAt(this.host));
      this.#daemon = daemon;
      const code = await daemon.exited;
      this.outputs.push(`${daemon.output()}\n(ended with ${code})`);
      this.#daemon = null;
      daemon = null;
      await new Promise((resolve) => setTimeout(resolve, RESTART_MS));
    }
  }
}

function wordsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    // It has ended.
    return [];
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
