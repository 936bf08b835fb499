import { messageOf } from '../../../shared/errors.ts';
import { CHILD_CODE } from './child-calls.ts';

/** Direct access to the kernel, which Node does not offer. */
export interface Libc {
  /** Makes a system call, again after a signal. Returns a negative error number on failure. */
  syscall(number: number, ...args: (number | bigint)[]): number;
  /** As `syscall`, in another thread, for a call that waits. Resolves with -1 on failure. */
  syscallAsync(number: number, ...args: (number | bigint)[]): Promise<number>;
  /**
   * Clones this process with clone(2) or clone3(2) and their first two arguments. The child makes the calls of a list, see
   * `child-calls.ts`. Returns the pid.
   */
  cloneAndCall(list: { start: bigint; end: bigint }, number: number, first: bigint, second: bigint): number;
  /** The address of the bytes of a buffer. They do not move; the caller keeps the buffer alive. */
  addressOf(buffer: Buffer): bigint;
}

/** Why the C library cannot be used. */
export interface LibcProblem {
  problem: string;
}

const PAGE = 4096;
const PROT_READ_WRITE = 3;
const PROT_READ_EXECUTE = 5;
const MAP_PRIVATE_ANONYMOUS = 0x22;
const NO_FILE = -1;
const EINTR = 4;

let loaded: Promise<Libc | LibcProblem> | null = null;

/** Loads the C library once. */
export function loadLibc(): Promise<Libc | LibcProblem> {
  loaded ??= load();
  return loaded;
}

/** Why the machine code of children cannot run on a processor; null when it can. @param arch as `process.arch` */
export function processorProblem(arch: string): string | null {
  return arch === 'x64' ? null : `the processor is ${arch}; only x64 is supported`;
}

async function load(): Promise<Libc | LibcProblem> {
  const unsupported = processorProblem(process.arch);
  if (unsupported !== null) return { problem: unsupported };
  try {
    const { default: koffi } = await import('koffi');
    const lib = koffi.load('libc.so.6');
    const syscall = lib.func('long syscall(long, long, long, long, long, long, long)');
    const map = lib.func('void *mmap(void *, size_t, int, int, int, long)');
    const protect = lib.func('int mprotect(void *, size_t, int)');
    const code = map(null, PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, NO_FILE, 0) as bigint;
    new Uint8Array(koffi.view(code, PAGE)).set(CHILD_CODE);
    if (protect(code, PAGE, PROT_READ_EXECUTE) !== 0) {
      return { problem: `mprotect failed with error ${koffi.errno()}` };
    }
    const run = koffi.decode(code, koffi.proto('long run(uint64_t, uint64_t, long, uint64_t, uint64_t)')) as (
      start: bigint,
      end: bigint,
      number: number,
      first: bigint,
      second: bigint,
    ) => number;
    return {
      syscall: (number, ...args) => {
        for (;;) {
          const result = Number(syscall(number, ...[...args, 0, 0, 0, 0, 0, 0].slice(0, 6)));
          if (result !== -1) return result;
          const error = koffi.errno();
          // Signals arrive at any time, such as SIGCHLD at the end of a process.
          if (error !== EINTR) return -error;
        }
      },
      syscallAsync: (number, ...args) =>
        new Promise((resolve, reject) => {
          syscall.async(
            ...[number, ...args, 0, 0, 0, 0, 0, 0].slice(0, 7),
            (error: Error | null, result: number | bigint) => {
              if (error) reject(error);
              else resolve(Number(result));
            },
          );
        }),
      cloneAndCall: ({ start, end }, number, first, second) => run(start, end, number, first, second),
      addressOf: (buffer) => koffi.address(buffer),
    };
  } catch (error) {
    return { problem: messageOf(error).split('\n')[0] ?? '' };
  }
}
