import type { Libc } from '../sandbox/libc.ts';
import { required } from '../sandbox/run-calls.ts';
import { SYSCALL } from '../sandbox/syscall-filter.ts';

const EPOLL_CLOEXEC = 0o2_000_000;
const EPOLL_ADD = 1;
const EPOLL_DELETE = 2;
const EPOLL_IN = 1;
const EPOLL_HUP = 0x10;
/** `struct epoll_event` is packed on x86-64. */
const EVENT_BYTES = 12;
const MAX_EVENTS = 64;
const EINTR_RESULT = -1;

/** `ended`: the other side has closed the file, and nothing is left to read. */
export type Ready = 'readable' | 'ended';

/**
 * Reports when files can be read: epoll(7) in another thread. Node cannot wait for a connection without accepting it.
 */
export class Readiness {
  readonly #libc: Libc;
  readonly #epoll: number;
  /** The numbers of watched files, by descriptor. */
  readonly #numbers = new Map<number, number>();
  /**
   * By number: an event can arrive after its file was closed, when another one has the descriptor. Numbers are not used
   * again.
   */
  readonly #watched = new Map<number, (ready: Ready) => void>();
  #lastNumber = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#epoll = required('epoll_create1', libc.syscall(SYSCALL.epoll_create1, EPOLL_CLOEXEC));
    void this.#report();
  }

  /** Calls `onReady` as long as the file is ready, until it is removed. */
  add(fd: number, onReady: (ready: Ready) => void): void {
    this.remove(fd);
    this.#lastNumber += 1;
    this.#numbers.set(fd, this.#lastNumber);
    this.#watched.set(this.#lastNumber, onReady);
    const event = Buffer.alloc(EVENT_BYTES);
    event.writeUInt32LE(EPOLL_IN, 0);
    event.writeDoubleLE(this.#lastNumber, 4);
    this.#control(EPOLL_ADD, fd, event);
  }

  /** Must be called before the file is closed. */
  remove(fd: number): void {
    const number = this.#numbers.get(fd);
    if (number === undefined) return;
    this.#numbers.delete(fd);
    this.#watched.delete(number);
    this.#control(EPOLL_DELETE, fd, Buffer.alloc(EVENT_BYTES));
  }

  #control(operation: number, fd: number, event: Buffer): void {
    const address = this.#libc.addressOf(event);
    required('epoll_ctl', this.#libc.syscall(SYSCALL.epoll_ctl, this.#epoll, operation, fd, address));
  }

  async #report(): Promise<never> {
    const events = Buffer.alloc(EVENT_BYTES * MAX_EVENTS);
    const address = this.#libc.addressOf(events);
    for (;;) {
      const count = await this.#libc.syscallAsync(SYSCALL.epoll_wait, this.#epoll, address, MAX_EVENTS, -1);
      if (count === EINTR_RESULT) continue;
      for (let index = 0; index < count; index += 1) {
        const flags = events.readUInt32LE(index * EVENT_BYTES);
        const number = events.readDoubleLE(index * EVENT_BYTES + 4);
        if ((flags & EPOLL_IN) !== 0) this.#watched.get(number)?.('readable');
        else if ((flags & EPOLL_HUP) !== 0) this.#watched.get(number)?.('ended');
      }
    }
  }
}
