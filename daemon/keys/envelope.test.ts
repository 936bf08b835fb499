import { randomBytes } from 'node:crypto';
import { assert, property, uint8Array } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MasterKey, rewrap, seal, unseal } from './envelope.ts';

const master: MasterKey = { id: 'a1', key: randomBytes(32) };
const older: MasterKey = { id: 'b2', key: randomBytes(32) };
const HERE = 'user_databases/abc/superuser_secret';
const UNDECRYPTABLE = expect.objectContaining({ code: 'secret.undecryptable' }) as Error;

describe('an envelope', () => {
  it('returns the sealed bytes', () => {
    assert(
      property(uint8Array(), (bytes) => {
        expect(Uint8Array.from(unseal([master], seal(master, bytes, HERE), HERE))).toEqual(bytes);
      }),
    );
  });

  it('is different each time, and shows only the id of its key', () => {
    const secret = Buffer.from('a secret of some length');
    const [one, two] = [seal(master, secret, HERE), seal(master, secret, HERE)];
    expect(one).not.toBe(two);
    expect(one).toMatch(/^v1\.a1\.[\w-]+\.[\w-]+$/);
    expect(one).not.toContain(secret.toString('base64url').slice(0, 8));
  });

  it('opens with any configured key, and names a missing key', () => {
    const sealed = seal(older, Buffer.from('x'), HERE);
    expect(unseal([master, older], sealed, HERE).toString()).toBe('x');
    expect(() => unseal([master], sealed, HERE)).toThrow(UNDECRYPTABLE);
    expect(() => unseal([master], sealed, HERE)).toThrow(older.id);
  });

  it('is wrapped again by another master key without a change of its value', () => {
    const sealed = seal(older, Buffer.from('some secret'), HERE);
    const rewrapped = rewrap([master, older], sealed, HERE);
    expect(unseal([master], rewrapped, HERE).toString()).toBe('some secret');
    expect(() => unseal([older], rewrapped, HERE)).toThrow(UNDECRYPTABLE);
    expect(rewrapped.split('.')[3]).toBe(sealed.split('.')[3]);
    expect(rewrapped.split('.')[2]).not.toBe(sealed.split('.')[2]);
    expect(() => rewrap([master, older], sealed.slice(0, -8), HERE)).toThrow(UNDECRYPTABLE);
    expect(() => rewrap([master, older], sealed, HERE.replace('abc', 'xyz'))).toThrow(UNDECRYPTABLE);
  });

  it('does not open in another row', () => {
    const sealed = seal(master, Buffer.from('x'), HERE);
    expect(() => unseal([master], sealed, HERE.replace('abc', 'xyz'))).toThrow(UNDECRYPTABLE);
  });

  it('does not open when one of its characters is changed', () => {
    const sealed = seal(master, Buffer.from('some secret'), HERE);
    for (let at = 0; at < sealed.length; at += 1) {
      const other = sealed[at] === 'A' ? 'Q' : 'A';
      expect(() => unseal([master], sealed.slice(0, at) + other + sealed.slice(at + 1), HERE)).toThrow(
        UNDECRYPTABLE,
      );
    }
  });

  it.each(['', 'v1', 'v1.a1', 'v1.a1..', 'v1.a1.x.y', 'v2.a1.x.y', 'v1.a1.x.y.z'])(
    '%j is invalid',
    (text) => {
      expect(() => unseal([master], text, HERE)).toThrow(UNDECRYPTABLE);
    },
  );

  it('does not open with another key of the same id', () => {
    const impostor: MasterKey = { id: master.id, key: randomBytes(32) };
    expect(() => unseal([impostor], seal(master, Buffer.from('x'), HERE), HERE)).toThrow(UNDECRYPTABLE);
  });
});
