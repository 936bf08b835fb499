import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { execa } from 'execa';
import { until } from '../helpers/until.ts';
import { WORKPLACE_VARIABLE } from './workplace.ts';

/** Of Debian. */
export const SUITES = ['bookworm', 'trixie'] as const;
export type Suite = (typeof SUITES)[number];

const PACKAGES = ['systemd', 'systemd-sysv', 'dbus', 'nginx', 'openssl', 'sqlite3'];
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const POWER_OFF_MS = 60_000;

export interface Answer {
  code: number;
  /** Standard output and standard error. */
  text: string;
}

/** A fresh Debian with a systemd of its own, without a network but its loopback. */
export class Container {
  readonly root: string;
  #nspawn: ChildProcess | null = null;
  #init = 0;

  private constructor(root: string) {
    this.root = root;
  }

  /** @param root an empty directory */
  static async create(root: string, suite: Suite, signal: AbortSignal): Promise<Container> {
    const options = ['--variant=minbase', `--include=${PACKAGES.join(',')}`];
    await execa('debootstrap', [...options, suite, root], { cancelSignal: signal });
    return new Container(root);
  }

  /** The pid of its systemd, as this host sees it. */
  get init(): number {
    return this.#init;
  }

  async boot(): Promise<string> {
    const options = [
      '--quiet',
      '--register=no',
      '--keep-unit',
      '--boot',
      '--private-network',
      '--console=pipe',
      `--setenv=${WORKPLACE_VARIABLE}=${process.env[WORKPLACE_VARIABLE]}`,
    ];
    // A session of its own: Ctrl-C is for the test, which then powers it off in order.
    const nspawn = spawn('systemd-nspawn', [...options, '-D', this.root], {
      env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '0' },
      stdio: 'ignore',
      detached: true,
    });
    this.#nspawn = nspawn;
    await once(nspawn, 'spawn');
    this.#init = await until(() => initOf(nspawn), { what: 'the container to have a first process' });
    let state = 'unknown';
    return until(
      async () => {
        state = (await this.try('systemctl', ['is-system-running'])).text;
        return ['running', 'degraded'].includes(state) ? state : null;
      },
      { timeoutMs: 60_000, what: () => `systemd in the container to be up; it is ${state}` },
    );
  }

  /** Runs a program inside; any exit code resolves. */
  async try(file: string, args: readonly string[], input = ''): Promise<Answer> {
    const inside = ['-t', String(this.#init), '-a', 'env', '-i', `PATH=${PATH}`, file, ...args];
    const { exitCode, all } = await execa('nsenter', inside, { reject: false, all: true, input });
    return { code: exitCode ?? -1, text: all.trim() };
  }

  /** Runs a program inside that has to succeed; what it printed. */
  async run(file: string, args: readonly string[]): Promise<string> {
    const { code, text } = await this.try(file, args);
    if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}: ${text}`);
    return text;
  }

  shell(script: string): Promise<string> {
    return this.run('/bin/sh', ['-ec', script]);
  }

  /** The ids of all findings of the doctor that are not `ok`. */
  async doctorTroubles(): Promise<string[]> {
    const json = await this.shell('fathomd doctor --json 2>/dev/null || true');
    const findings = JSON.parse(json) as { id: string; level: string }[];
    return findings.filter(({ level }) => level !== 'ok').map(({ id }) => id);
  }

  /** Powers it off and waits for its end. */
  async dispose(): Promise<void> {
    const nspawn = this.#nspawn;
    if (!nspawn || nspawn.exitCode !== null || nspawn.signalCode !== null) return;
    const ended = once(nspawn, 'exit');
    await this.try('systemctl', ['poweroff']);
    const late = setTimeout(() => nspawn.kill('SIGKILL'), POWER_OFF_MS);
    await ended;
    clearTimeout(late);
  }
}

/** Before it becomes systemd, the child is one of nspawn's own, and another one. */
async function initOf(nspawn: ChildProcess): Promise<number | null> {
  if (nspawn.exitCode !== null) throw new Error(`systemd-nspawn ended with ${nspawn.exitCode}`);
  const children = await readFile(`/proc/${nspawn.pid}/task/${nspawn.pid}/children`, 'utf8');
  for (const pid of children.split(' ').filter((one) => one !== '')) {
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
    if (name === 'systemd\n') return Number(pid);
  }
  return null;
}
