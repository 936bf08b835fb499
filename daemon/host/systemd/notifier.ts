import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Node has no datagram sockets of the Unix family, so systemd-notify(1) speaks for the daemon. A shell that waits for lines
 * starts it: forking from the daemon would block its event loop, and would fail when it has run out of file descriptors.
 * Not `--no-block`: systemd finds out whose message it is while the sender lives.
 */
const SPEAKER = 'while IFS= read -r line; do systemd-notify "$line"; done';

/** Reports the state of the service to systemd: sd_notify(3). The unit needs `NotifyAccess=all`. */
export class Notifier {
  readonly #socket: string;
  readonly #onProblem: (problem: string) => void;
  #speaker: ChildProcess | null = null;

  constructor(socket: string, onProblem: (problem: string) => void) {
    this.#socket = socket;
    this.#onProblem = onProblem;
  }

  /** `READY=1` and the like, one message each. Returns at once. */
  tell(...assignments: readonly string[]): void {
    const lines = assignments.map((assignment) => `${assignment.replaceAll(/\s+/g, ' ')}\n`);
    this.#running().stdin?.write(lines.join(''));
  }

  /** Messages sent before still reach systemd. */
  close(): void {
    this.#speaker?.stdin?.end();
    this.#speaker = null;
  }

  #running(): ChildProcess {
    if (this.#speaker) return this.#speaker;
    const speaker = spawn('/bin/sh', ['-c', SPEAKER], {
      env: { PATH: process.env['PATH'], NOTIFY_SOCKET: this.#socket },
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const lost = (why: string): void => {
      if (this.#speaker !== speaker) return;
      // The next message starts another one.
      this.#speaker = null;
      this.#onProblem(`systemd was not notified: ${why}`);
    };
    speaker.once('error', (error) => lost(error.message));
    speaker.once('exit', (code, signal) => lost(`/bin/sh ended (${signal ?? code})`));
    speaker.stdin?.on('error', (error) => lost(error.message));
    // It must not keep a daemon alive that has nothing else to do.
    speaker.unref();
    this.#speaker = speaker;
    return speaker;
  }
}
