import { execFile, execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { until } from '../helpers/until.ts';

const run = promisify(execFile);

/** False where tmux is not installed: journeys need a real terminal. */
export function hasTmux(): boolean {
  try {
    execFileSync('tmux', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A program in a terminal of its own, on a tmux server of its own. */
export class TmuxTerminal implements AsyncDisposable {
  readonly #server = `fathom-${randomUUID()}`;

  /** `command` is a program and its arguments; when it has ended, its exit code is on the screen as `exit=N`. */
  async start(
    command: readonly string[],
    { env, columns, rows }: { env: Record<string, string>; columns: number; rows: number },
  ): Promise<this> {
    const settings = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    const script = `${command.map(quote).join(' ')}; echo "exit=$?"; read -r _`;
    const size = ['-x', String(columns), '-y', String(rows)];
    await this.#tmux('-f', '/dev/null', 'new-session', '-d', ...settings, ...size, 'sh', '-c', script);
    await this.#tmux('set-option', '-g', 'escape-time', '0');
    await this.#tmux('set-option', '-g', 'set-clipboard', 'on');
    return this;
  }

  async press(...keys: string[]): Promise<void> {
    await this.#tmux('send-keys', ...keys);
  }

  /** Text as it is typed, without names of keys. */
  async type(text: string): Promise<void> {
    await this.#tmux('send-keys', '-l', text);
  }

  async text(): Promise<string> {
    return (await this.#tmux('capture-pane', '-p')).stdout;
  }

  /** What a program handed over last; tmux is asked until it has it. */
  clipboard(): Promise<string> {
    return until(async () => (await this.#tmux('show-buffer').catch(() => null))?.stdout ?? null, {
      what: 'something in the clipboard',
    });
  }

  /** Of the program, which the shell around it has started. */
  async pid(): Promise<number> {
    const shell = await this.#ask('#{pane_pid}');
    const [child] = readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8').split(' ');
    if (!child) throw new Error('the program has ended');
    return Number(child);
  }

  /** How the program left the terminal. */
  async state(): Promise<{ alternate: boolean; cursor: boolean; mouse: boolean; raw: boolean }> {
    const [alternate, cursor, mouse, tty = ''] = (
      await this.#ask('#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{pane_tty}')
    ).split(' ');
    const { stdout } = await run('stty', ['-a', '-F', tty]);
    return {
      alternate: alternate === '1',
      cursor: cursor === '1',
      mouse: mouse === '1',
      raw: /-icanon|-echo\b/.test(stdout),
    };
  }

  /** What a shell does with a terminal on which a program was stopped. */
  async resetModes(): Promise<void> {
    await run('stty', ['sane', '-F', await this.#ask('#{pane_tty}')]);
  }

  /** The screen with the control sequences of its colours. */
  async painted(): Promise<string> {
    return (await this.#tmux('capture-pane', '-p', '-e')).stdout;
  }

  /** Waits until the screen contains all of these. */
  async shows(...wanted: (string | RegExp)[]): Promise<string> {
    let screen = '';
    return until(
      async () => {
        screen = await this.text();
        return wanted.every((one) => (typeof one === 'string' ? screen.includes(one) : one.test(screen)))
          ? screen
          : null;
      },
      { what: () => `${wanted.join(', ')} on the screen:\n${screen}` },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux('kill-server').catch(() => {});
  }

  async #ask(format: string): Promise<string> {
    return (await this.#tmux('display-message', '-p', format)).stdout.trim();
  }

  #tmux(...args: string[]) {
    return run('tmux', ['-L', this.#server, ...args]);
  }
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
