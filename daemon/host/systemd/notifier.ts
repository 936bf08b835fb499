import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Node has no Unix datagram sockets, so systemd-notify(1) sends the messages. A shell reads lines and starts it: a fork of
 * the daemon would block its event loop, and would fail without free file descriptors.
 * Not `--no-block`: systemd identifies the sender of a message only while it runs.
 */
const SENDER = 'while IFS= read -r line; do systemd-notify "$line"; done';

/** Sends the state of the service to systemd: sd_notify(3). The unit needs `NotifyAccess=all`. */
export class Notifier {
  readonly #socket: string;
  readonly #onProblem: (problem: string) => void;
  #sender: ChildProcess | null = null;

  constructor(socket: string, onProblem: (problem: string) => void) {
    this.#socket = socket;
    this.#onProblem = onProblem;
  }

  /** Sends assignments such as `READY=1`, one message each. Does not wait. */
  send(...assignments: readonly string[]): void {
    const lines = assignments.map((assignment) => `${assignment.replaceAll(/\s+/g, ' ')}\n`);
    this.#startSender().stdin?.write(lines.join(''));
  }

  /** Messages that were already sent still reach systemd. */
  close(): void {
    this.#sender?.stdin?.end();
    this.#sender = null;
  }

  #startSender(): ChildProcess {
    if (this.#sender) return this.#sender;
    const sender = spawn('/bin/sh', ['-c', SENDER], {
      env: { PATH: process.env['PATH'], NOTIFY_SOCKET: this.#socket },
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const onFailure = (why: string): void => {
      if (this.#sender !== sender) return;
      // The next message starts a new sender.
      this.#sender = null;
      this.#onProblem(`a message to systemd was not sent: ${why}`);
    };
    sender.once('error', (error) => onFailure(error.message));
    sender.once('exit', (code, signal) => onFailure(`/bin/sh ended (${signal ?? code})`));
    sender.stdin?.on('error', (error) => onFailure(error.message));
    // The sender must not keep the event loop of the daemon running.
    sender.unref();
    this.#sender = sender;
    return sender;
  }
}
