import { hash } from 'node:crypto';

/** From 0 to less than 1, always the same for a key. It spreads work of many databases over a time. */
export function fractionOf(key: string): number {
  return hash('sha256', key, 'buffer').readUInt32BE(0) / 2 ** 32;
}
