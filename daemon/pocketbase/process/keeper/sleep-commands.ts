import type { Difference, PackedCommands, SpawnCommand } from './keeper-protocol.ts';

/** Null for equal values. */
function differenceOf(from: unknown, to: unknown): Difference | null {
  if (!isNested(from) || !isNested(to)) return from === to ? null : { is: to };
  const keys = Object.keys(to);
  const sameKeys = keys.length === Object.keys(from).length && keys.every((key) => Object.hasOwn(from, key));
  if (!sameKeys || Array.isArray(from) !== Array.isArray(to)) return { is: to };
  const differing: Record<string, Difference> = {};
  let count = 0;
  for (const key of keys) {
    const difference = differenceOf(from[key], to[key]);
    if (difference === null) continue;
    differing[key] = difference;
    count += 1;
  }
  return count === 0 ? null : { in: differing };
}

function isNested(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function apply(from: unknown, difference: Difference | null): unknown {
  if (difference === null) return from;
  if ('is' in difference) return difference.is;
  const changed = (Array.isArray(from) ? [...from] : { ...(from as object) }) as Record<string, unknown>;
  for (const [key, inner] of Object.entries(difference.in)) changed[key] = apply(changed[key], inner);
  return changed;
}

/** @param commands at least one */
export function packCommands(commands: readonly { port: number; command: SpawnCommand }[]): PackedCommands {
  const [{ command: first } = { command: null }] = commands;
  if (first === null) throw new Error('there are no commands to pack');
  return {
    first,
    others: commands.map(({ port, command }) => ({ port, difference: differenceOf(first, command) })),
  };
}

/** How to start the processes of sleeping databases, by port. A host has thousands, so each is kept as a short text. */
export class SleepCommands {
  /** What others differ from. */
  #first: SpawnCommand | null = null;
  /** Null while the command is not known. */
  readonly #packed = new Map<number, { first: SpawnCommand; difference: string } | null>();

  constructor(commands: Iterable<readonly [port: number, command: SpawnCommand]> = []) {
    for (const [port, command] of commands) this.set(port, command);
  }

  get size(): number {
    return this.#packed.size;
  }

  ports(): Iterable<number> {
    return this.#packed.keys();
  }

  has(port: number): boolean {
    return this.#packed.has(port);
  }

  /** Null while it is not known; undefined for a port whose database does not sleep. */
  get(port: number): SpawnCommand | null | undefined {
    const packed = this.#packed.get(port);
    if (!packed) return packed;
    return apply(packed.first, JSON.parse(packed.difference) as Difference | null) as SpawnCommand;
  }

  set(port: number, command: SpawnCommand): void {
    this.#first ??= command;
    this.#set(port, this.#first, differenceOf(this.#first, command));
  }

  #set(port: number, first: SpawnCommand, difference: Difference | null): void {
    this.#packed.set(port, { first, difference: JSON.stringify(difference) });
  }

  /** Notes a database that sleeps. A command that is known stays. */
  add(port: number): void {
    if (!this.#packed.has(port)) this.#packed.set(port, null);
  }

  /** Sets the commands of those databases that still sleep. */
  setPacked({ first, others }: PackedCommands): void {
    this.#first = first;
    for (const { port, difference } of others) if (this.#packed.has(port)) this.#set(port, first, difference);
  }

  delete(port: number): void {
    this.#packed.delete(port);
  }

  /** The known ones. */
  entries(): [port: number, command: SpawnCommand][] {
    return Array.from(this.#packed.keys()).flatMap((port) => {
      const command = this.get(port);
      return command ? [[port, command]] : [];
    });
  }
}
