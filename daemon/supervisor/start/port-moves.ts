import { appendFileSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type PortMove, portMoveSchema } from '../../../shared/api/instances.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Config } from '../../config/config.ts';
import { findListener } from '../../pocketbase/process/procfs.ts';
import type { InstanceSpec } from '../instance-spec.ts';
import type { PortAllocator } from './ports.ts';

/** The file of an earlier release, one in the directory of each database that had moved. */
const FORMER_FILE = 'last-move.json';

/** A line of the file. A later one of the same database replaces it; null removes it. */
const lineSchema = z.object({ name: z.string(), move: portMoveSchema.nullable() });
type Line = z.infer<typeof lineSchema>;

/**
 * The last move of each instance to another port, also those before this daemon. One file for all: most of thousands have
 * none, and the daemon would look for the file of each at its start.
 */
export class PortMoves {
  readonly #file: string;
  readonly #ports: Pick<PortAllocator, 'ownerOf'>;
  readonly #log: Logger;
  readonly #moves = new Map<string, PortMove>();

  /** @param places.userDatabasesDir for the files of an earlier release */
  constructor(
    places: Pick<Config, 'dataDir' | 'userDatabasesDir'>,
    ports: Pick<PortAllocator, 'ownerOf'>,
    log: Logger,
  ) {
    this.#file = join(places.dataDir, 'moved-ports');
    this.#ports = ports;
    this.#log = log;
    const text = readOrNull(this.#file);
    if (text === null) this.#takeFormerFiles(places.userDatabasesDir);
    else this.#read(text);
  }

  /** Null when it has always had its port, as far as is known. */
  last(name: string): PortMove | null {
    return this.#moves.get(name) ?? null;
  }

  /** Records that an instance could not use a port, and why. */
  record({ name }: Pick<InstanceSpec, 'name'>, from: number, at: Date): PortMove {
    const move = { from, at: at.toISOString(), reason: whyMoved(name, from, this.#ports) };
    this.#moves.set(name, move);
    this.#append({ name, move });
    return move;
  }

  /** Forgets a deleted instance. */
  forget(name: string): void {
    if (this.#moves.delete(name)) this.#append({ name, move: null });
  }

  #append(line: Line): void {
    this.#try(() => appendFileSync(this.#file, `${JSON.stringify(line)}\n`, { mode: 0o600 }));
  }

  #read(text: string): void {
    const lines = text.split('\n').filter((line) => line !== '');
    for (const line of lines) {
      const parsed = parse(line, lineSchema);
      if (parsed?.move) this.#moves.set(parsed.name, parsed.move);
      else if (parsed) this.#moves.delete(parsed.name);
    }
    if (lines.length > this.#moves.size) this.#rewrite();
  }

  #takeFormerFiles(databasesDir: string): void {
    const taken: string[] = [];
    for (const name of listOrNone(databasesDir)) {
      const file = join(databasesDir, name, FORMER_FILE);
      const text = readOrNull(file);
      if (text === null) continue;
      const move = parse(text, portMoveSchema);
      if (move) this.#moves.set(name, move);
      taken.push(file);
    }
    if (this.#rewrite()) for (const file of taken) rmSync(file, { force: true });
  }

  #rewrite(): boolean {
    const lines = Array.from(this.#moves, ([name, move]) => `${JSON.stringify({ name, move })}\n`);
    return this.#try(() => {
      writeFileSync(`${this.#file}.new`, lines.join(''), { mode: 0o600 });
      renameSync(`${this.#file}.new`, this.#file);
    });
  }

  /** Best effort: when it fails, the next daemon does not show the last moves. */
  #try(write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      this.#log.warn(`cannot record moves to other ports: ${messageOf(error)}`);
      return false;
    }
  }
}

function whyMoved(name: string, from: number, ports: Pick<PortAllocator, 'ownerOf'>): string {
  const owner = ports.ownerOf(from);
  if (owner !== null && owner !== name) return `port ${from} belongs to ${owner}`;
  const listener = findListener(from);
  if (listener === null) return `another program or an outgoing connection of this host used port ${from}`;
  return `port ${from} is in use by ${listener.name} (pid ${listener.pid})`;
}

/** Null for a text that was not written completely. */
function parse<Shape>(text: string, schema: z.ZodType<Shape>): Shape | null {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

function listOrNone(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    // It does not exist before the first database.
    return [];
  }
}
