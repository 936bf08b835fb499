import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import type { FieldError } from '../../shared/errors.ts';
import type { Sources } from './sources/sources.ts';
import { SETTINGS, type Variable, type VariableOf } from './sources/variables.ts';

/** The value of an invalid key. It is never used: a configuration with problems is rejected. */
const INVALID_KEY = new Uint8Array();
const KEY_BYTES = 32;
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

type VariableWithDefault = {
  [Name in VariableOf<'text'>]: (typeof SETTINGS)[Name] extends { default: string } ? Name : never;
}[VariableOf<'text'>];

type PathInData = {
  [Name in VariableOf<'path'>]: (typeof SETTINGS)[Name] extends { default: string } ? Name : never;
}[VariableOf<'path'>];

/**
 * Reads and validates values one by one, and collects all problems instead of stopping at the first.
 * A message shows an invalid value only where it cannot be a secret.
 */
export class ValueReader {
  readonly problems: FieldError[] = [];
  readonly #sources: Sources;
  readonly #cwd: string;

  constructor(sources: Sources, cwd: string) {
    this.#sources = sources;
    this.#cwd = cwd;
  }

  problem(path: Variable, message: string): void {
    this.problems.push({ path, message });
  }

  hasProblem(name: Variable): boolean {
    return this.problems.some((problem) => problem.path === name);
  }

  text(name: Variable): string | null {
    return this.#sources.get(name)?.trim() ?? null;
  }

  textOrDefault(name: VariableWithDefault): string {
    return this.text(name) ?? SETTINGS[name].default;
  }

  /** The entries of a comma-separated list. */
  list(name: VariableOf<'list'>): string[] {
    return (this.text(name) ?? '')
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '');
  }

  wholeNumber(name: VariableOf<'number'>): number {
    const { default: fallback, min, max } = SETTINGS[name];
    const value = this.text(name);
    if (value === null) return fallback;
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    this.problem(
      name,
      `${quoteValue(value)} is not a whole number from ${min} to ${max}; the default is ${fallback}`,
    );
    return fallback;
  }

  choice<Name extends VariableOf<'choice'>>(name: Name): (typeof SETTINGS)[Name]['choices'][number] {
    const { default: fallback, choices } = SETTINGS[name];
    const value = this.text(name);
    if (value === null) return fallback;
    const found = choices.find((choice) => choice === value.toLowerCase());
    if (found === undefined)
      this.problem(name, `${quoteValue(value)} is unknown; use one of ${choices.join(', ')}`);
    return found ?? fallback;
  }

  /** Absolute; the default is below the data directory. */
  pathInData(name: PathInData): string {
    return this.path(name) ?? join(this.#sources.dataDir, SETTINGS[name].default);
  }

  /** Absolute; null when not set. */
  path(name: VariableOf<'path'>): string | null {
    const value = this.text(name);
    if (value === null) return null;
    if (value.startsWith('~')) this.problem(name, `'~' is not expanded here; write the full path`);
    if (/\p{Cc}/u.test(value)) this.problem(name, 'contains a control character; write a plain path');
    return resolve(this.#cwd, value);
  }

  host(name: VariableOf<'host'>): string {
    const { default: fallback } = SETTINGS[name];
    const value = this.text(name) ?? fallback;
    if (!isHost(value)) {
      this.problem(
        name,
        `${quoteValue(value)} is not an IP address or a host name; write it like ${fallback}, without port or brackets`,
      );
    }
    return value;
  }

  /** The bytes of a base64 value. Strict: Node's own decoder skips invalid characters, which would shorten the key. */
  key(name: VariableOf<'key'>): Uint8Array {
    const value = this.#secret(name);
    if (value === null) return INVALID_KEY;
    if (!BASE64.test(value)) {
      this.problem(
        name,
        `is not base64 (standard alphabet, padded) of ${KEY_BYTES} bytes${this.#keyRemedy()}`,
      );
      return INVALID_KEY;
    }
    const key = Uint8Array.from(Buffer.from(value, 'base64'));
    if (key.length !== KEY_BYTES)
      this.problem(name, `has ${key.length} bytes, needs ${KEY_BYTES} (base64)${this.#keyRemedy()}`);
    return key;
  }

  optionalKey(name: VariableOf<'key'>): Uint8Array | null {
    return this.#sources.get(name) === undefined ? null : this.key(name);
  }

  /** A secret that is used as text. The limits are bytes of UTF-8. */
  secretText(name: VariableOf<'secret'>): string {
    const { min, max }: { min: number; max?: number } = SETTINGS[name];
    const value = this.#secret(name);
    if (value === null) return '';
    const bytes = Buffer.byteLength(value);
    if (bytes < min)
      this.problem(name, `has ${bytes} bytes, needs at least ${min}; run 'fathomd init' to generate one`);
    if (max !== undefined && bytes > max)
      this.problem(name, `has ${bytes} bytes, at most ${max} are allowed; shorten it`);
    return value;
  }

  /** The UTF-8 bytes of an optional secret; null when it is not set. */
  optionalSecretText(name: VariableOf<'secret'>): Uint8Array | null {
    if (this.#sources.get(name) === undefined) return null;
    return new TextEncoder().encode(this.secretText(name));
  }

  #secret(name: Variable): string | null {
    const value = this.#sources.get(name) ?? null;
    if (value === null) this.problem(name, `is not set${this.#missingSecretRemedy()}`);
    return value;
  }

  /** With existing data, a new key is no remedy: it cannot decrypt that data. */
  #keyRemedy(): string {
    if (!this.#hasData()) return `; run 'fathomd init'`;
    return `; the data in ${this.#sources.dataDir} needs the original value: restore the env file that contained it`;
  }

  #hasData(): boolean {
    return existsSync(join(this.#sources.dataDir, 'global', 'pb_data', 'data.db'));
  }

  #missingSecretRemedy(): string {
    const { namedFile } = this.#sources;
    if (namedFile === null || this.#hasData()) return this.#keyRemedy();
    return ` in ${namedFile}, the only file that is read; run 'fathomd init --env-file ANOTHER' and copy it from there`;
  }
}

/** Whether the text is an IP address without brackets, or a host name. */
export function isHost(text: string): boolean {
  // A value of digits and dots is a mistyped address, never a name.
  return isIP(text) !== 0 || (HOST_NAME.test(text) && !/^[\d.]+$/.test(text));
}

/** An invalid value for a message: shortened and on one line. */
function quoteValue(value: string): string {
  const short = value.length > 40 ? `${value.slice(0, 40)}…` : value;
  return `'${short.replace(/\p{C}/gu, '?')}'`;
}
