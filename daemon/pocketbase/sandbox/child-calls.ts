/**
 * Between fork and exec, a child may only make system calls. JavaScript cannot run there: V8 keeps its heap out of
 * children (MADV_DONTFORK). So the parent writes a list of system calls, and a short routine in machine code clones the
 * process and makes these calls in the child. The last one is execve(2). The parent waits in clone(2) until then, and
 * both share their memory, so the parent finds the result of each call in the list.
 */

/** One system call of a child. The list ends the child with exit code 127 at the first call that fails. */
export interface ChildCall {
  /** What the call is for, for the error message. */
  name: string;
  number: number;
  args: (number | bigint)[];
  /** The address at which the child stores the result, 32 bits wide. */
  storeAt?: bigint;
}

/** `number`, six arguments, the result, and `storeAt`, each 8 bytes. */
const WORDS = 9;
const RESULT = 7;
const STORE_AT = 8;
const WORD_BYTES = 8;
const CALL_BYTES = WORDS * WORD_BYTES;
/** A result that is no system call's: the call was not made. */
const NOT_MADE = -0x7fff_ffff_ffffn;

/**
 * `run(start, end, number, first, second)` for x86-64: makes a system call that clones the process, and in the child makes
 * the calls between two addresses.
 */
export const CHILD_CODE = assemble(`
  49 89 f9              mov    r9, rdi           ; start of the list
  48 89 d0              mov    rax, rdx          ; clone(flags, 0, 0, 0) or clone3(args, size)
  48 89 cf              mov    rdi, rcx
  4c 89 c2              mov    rdx, r8
  49 89 f0              mov    r8, rsi           ; end of the list
  48 89 d6              mov    rsi, rdx          ; without a stack, the child uses none but that of the parent
  31 d2                 xor    edx, edx
  45 31 d2              xor    r10d, r10d
  0f 05                 syscall
  48 85 c0              test   rax, rax
  74 01                 jz     child
  c3                    ret                      ; in the parent: the pid, or an error
  4c 89 cb       child: mov    rbx, r9
  4d 89 c4              mov    r12, r8
  4c 39 e3        next: cmp    rbx, r12
  73 38                 jae    fail
  48 8b 03              mov    rax, [rbx]        ; number
  48 8b 7b 08           mov    rdi, [rbx+8]      ; arguments
  48 8b 73 10           mov    rsi, [rbx+16]
  48 8b 53 18           mov    rdx, [rbx+24]
  4c 8b 53 20           mov    r10, [rbx+32]
  4c 8b 43 28           mov    r8, [rbx+40]
  4c 8b 4b 30           mov    r9, [rbx+48]
  0f 05                 syscall
  48 89 43 38           mov    [rbx+56], rax     ; result
  48 8b 4b 40           mov    rcx, [rbx+64]     ; storeAt
  48 85 c9              test   rcx, rcx
  74 02                 jz     check
  89 01                 mov    [rcx], eax
  48 83 c3 48    check: add    rbx, 72
  48 3d 01 f0 ff ff     cmp    rax, -4095
  72 c3                 jb     next              ; not an error
  bf 7f 00 00 00  fail: mov    edi, 127
  b8 e7 00 00 00        mov    eax, 231          ; exit_group
  0f 05                 syscall
`);

/** The bytes at the start of each line. */
function assemble(listing: string): Uint8Array {
  const bytes = [...listing.matchAll(/^ {2}((?:[0-9a-f]{2} )+)/gm)].flatMap(([, hex = '']) =>
    hex
      .trim()
      .split(' ')
      .map((byte) => Number.parseInt(byte, 16)),
  );
  return Uint8Array.from(bytes);
}

/** The list in memory, as the routine reads it. */
export function encodeCalls(calls: readonly ChildCall[]): Buffer {
  const list = Buffer.allocUnsafeSlow(calls.length * CALL_BYTES).fill(0);
  for (const [index, { number, args, storeAt = 0n }] of calls.entries()) {
    const words = [number, ...args];
    for (const [word, value] of words.entries()) {
      list.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), index * CALL_BYTES + word * WORD_BYTES);
    }
    list.writeBigInt64LE(NOT_MADE, index * CALL_BYTES + RESULT * WORD_BYTES);
    list.writeBigUInt64LE(storeAt, index * CALL_BYTES + STORE_AT * WORD_BYTES);
  }
  return list;
}

/** The call that ended the child, with its error number; null when all calls succeeded. */
export function failedCall(
  calls: readonly ChildCall[],
  list: Buffer,
): { name: string; error: number } | null {
  for (const [index, { name }] of calls.entries()) {
    const result = list.readBigInt64LE(index * CALL_BYTES + RESULT * WORD_BYTES);
    if (result < 0n && result !== NOT_MADE) return { name, error: Number(-result) };
  }
  return null;
}
