import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import type { FieldError } from '../../shared/errors.ts';
import type { Sources } from './sources/sources.ts';
import { SETTINGS, type Variable, type VariableOf } from './sources/variables.ts';

/** What stands in for a value that was wrong; the configuration is thrown away once there is a problem. */
const NOTHING = new Uint8Array();
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
 * Reads values one by one and gathers everything that is wrong instead of stopping at the first.
 * Messages show a wrong value only where it cannot be a secret.
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

  /** The default where the setting has one and no value. */
  textOrDefault(name: VariableWithDefault): string {
    return this.text(name) ?? SETTINGS[name].default;
  }

  wholeNumber(name: VariableOf<'number'>): number {
    const { default: fallback, min, max } = SETTINGS[name];
    const value = this.text(name);
    if (value === null) return fallback;
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    this.problem(
      name,
      `${shown(value)} is not a whole number from ${min} to ${max}; the default is ${fallback}`,
    );
    return fallback;
  }

  choice<Name extends VariableOf<'choice'>>(name: Name): (typeof SETTINGS)[Name]['choices'][number] {
    const { default: fallback, choices } = SETTINGS[name];
    const value = this.text(name);
    if (value === null) return fallback;
    const found = choices.find((choice) => choice === value.toLowerCase());
    if (found === undefined)
      this.problem(name, `${shown(value)} is unknown; use one of ${choices.join(', ')}`);
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
    if (value.startsWith('~')) this.problem(name, `'~' is not expanded here; write the whole path`);
    if (/\p{Cc}/u.test(value)) this.problem(name, 'holds a control character; write a plain path');
    return resolve(this.#cwd, value);
  }

  host(name: VariableOf<'host'>): string {
    const { default: fallback } = SETTINGS[name];
    const value = this.text(name) ?? fallback;
    // Digits and dots only is a mistyped address, never a name.
    const isName = HOST_NAME.test(value) && !/^[\d.]+$/.test(value);
    if (isIP(value) === 0 && !isName) {
      this.problem(
        name,
        `${shown(value)} is neither an IP address nor a host name; use one like ${fallback}, without port or brackets`,
      );
    }
    return value;
  }

  /** Bytes of a base64 value, strictly: Node's own decoder drops what it does not understand and shortens the key. */
  key(name: VariableOf<'key'>): Uint8Array {
    const value = this.#secret(name);
    if (value === null) return NOTHING;
    if (!BASE64.test(value)) {
      this.problem(
        name,
        `is not base64 (standard alphabet, padded), needs ${KEY_BYTES} bytes of it${this.#howToGetOne()}`,
      );
      return NOTHING;
    }
    const key = Uint8Array.from(Buffer.from(value, 'base64'));
    if (key.length !== KEY_BYTES)
      this.problem(name, `${key.length} bytes, needs ${KEY_BYTES} (base64)${this.#howToGetOne()}`);
    return key;
  }

  optionalKey(name: VariableOf<'key'>): Uint8Array | null {
    return this.#sources.get(name) === undefined ? null : this.key(name);
  }

  /** A secret that is used as it is written; length in bytes of UTF-8. */
  secretText(name: VariableOf<'secret'>): string {
    const { min, max }: { min: number; max?: number } = SETTINGS[name];
    const value = this.#secret(name);
    if (value === null) return '';
    const bytes = Buffer.byteLength(value);
    if (bytes < min)
      this.problem(name, `${bytes} bytes, needs at least ${min}; run 'fathomd init' for a fresh one`);
    if (max !== undefined && bytes > max)
      this.problem(name, `${bytes} bytes, may have at most ${max}; shorten it`);
    return value;
  }

  /** UTF-8 bytes of a secret that need not be there. */
  optionalSecretText(name: VariableOf<'secret'>): Uint8Array | null {
    if (this.#sources.get(name) === undefined) return null;
    return new TextEncoder().encode(this.secretText(name));
  }

  #secret(name: Variable): string | null {
    const value = this.#sources.get(name) ?? null;
    if (value === null) this.problem(name, `is not set${this.#whereToSetIt()}`);
    return value;
  }

  /** Fresh secrets do not open what earlier ones closed. */
  #howToGetOne(): string {
    if (!this.#hasData()) return `; run 'fathomd init'`;
    return `; what lies in ${this.#sources.dataDir} needs the one it was made with: put the env file back that held it`;
  }

  #hasData(): boolean {
    return existsSync(join(this.#sources.dataDir, 'global', 'pb_data', 'data.db'));
  }

  #whereToSetIt(): string {
    const { namedFile } = this.#sources;
    if (namedFile === null || this.#hasData()) return this.#howToGetOne();
    return `, and no file but ${namedFile} is read; 'fathomd init --env-file ANOTHER' makes fresh ones to take it from`;
  }
}

/** A wrong value for a message: short and on one line. */
function shown(value: string): string {
  const short = value.length > 40 ? `${value.slice(0, 40)}…` : value;
  return `'${short.replace(/\p{C}/gu, '?')}'`;
}
