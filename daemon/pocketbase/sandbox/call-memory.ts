import type { Libc } from './libc.ts';

/** Memory for the arguments of system calls. It is alive as long as this object is. */
export class Memory {
  readonly #libc: Libc;
  readonly #kept: Buffer[] = [];

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  bytes(buffer: Buffer): bigint {
    this.#kept.push(buffer);
    return this.#libc.addressOf(buffer);
  }

  text(value: string): bigint {
    const length = Buffer.byteLength(value);
    const buffer = Buffer.allocUnsafeSlow(length + 1);
    buffer.write(value);
    buffer.writeUInt8(0, length);
    return this.bytes(buffer);
  }

  /** An array of texts that ends with a null pointer. */
  texts(values: readonly string[]): bigint {
    const array = Buffer.allocUnsafeSlow((values.length + 1) * 8).fill(0);
    for (const [index, value] of values.entries()) array.writeBigUInt64LE(this.text(value), index * 8);
    return this.bytes(array);
  }
}
