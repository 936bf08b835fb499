import type { Memory } from './call-memory.ts';

/** Programs of seccomp filters, in classic BPF: seccomp(2). */

export const LOAD = 0x20;
export const JUMP_IF_EQUAL = 0x15;
export const JUMP_IF_GREATER = 0x25;
export const JUMP_IF_ANY_BIT = 0x45;
export const AND = 0x54;
export const RETURN = 0x06;

export const ALLOW = 0x7fff_0000;
export const ERRNO = 0x0005_0000;

export const ARCHITECTURE = 0xc000_003e;

/** Offsets in `struct seccomp_data`. */
export const NUMBER_AT = 0;
export const ARCHITECTURE_AT = 4;
export const ARGUMENTS_AT = 16;

/** One instruction; `pid` marks a constant that is the pid of the process. */
export interface Instruction {
  code: number;
  /** Instructions to skip when the comparison is true, and when it is false. */
  whenTrue: number;
  whenFalse: number;
  constant: number | 'pid';
}

const INSTRUCTION_BYTES = 8;
const CONSTANT_OFFSET = 4;

export function step(
  code: number,
  constant: Instruction['constant'],
  whenTrue = 0,
  whenFalse = 0,
): Instruction {
  return { code, whenTrue, whenFalse, constant };
}

/** An encoded filter. */
export interface FilterProgram {
  program: Buffer;
  instructions: number;
  /** Offsets of the 32-bit constants that must become the pid of the process. */
  pidOffsets: number[];
}

export function encodeFilter(instructions: readonly Instruction[]): FilterProgram {
  const program = Buffer.allocUnsafeSlow(instructions.length * INSTRUCTION_BYTES).fill(0);
  const pidOffsets: number[] = [];
  for (const [index, { code, whenTrue, whenFalse, constant }] of instructions.entries()) {
    const offset = index * INSTRUCTION_BYTES;
    program.writeUInt16LE(code, offset);
    program.writeUInt8(whenTrue, offset + 2);
    program.writeUInt8(whenFalse, offset + 3);
    if (constant === 'pid') pidOffsets.push(offset + CONSTANT_OFFSET);
    else program.writeUInt32LE(constant >>> 0, offset + CONSTANT_OFFSET);
  }
  return { program, instructions: instructions.length, pidOffsets };
}

/** A filter in memory as `struct sock_fprog`. A copy of the program, because pids are written into it. */
export function describeFilter(
  memory: Memory,
  { program, instructions }: FilterProgram,
): { description: bigint; program: bigint } {
  const address = memory.bytes(Buffer.from(program));
  const description = Buffer.allocUnsafeSlow(16).fill(0);
  description.writeUInt16LE(instructions, 0);
  description.writeBigUInt64LE(address, 8);
  return { description: memory.bytes(description), program: address };
}
