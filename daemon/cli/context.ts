import { styleText } from 'node:util';

/** The environment and streams of a command. Tests pass their own. */
export interface CliContext {
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
  stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  stdout: Output;
  stderr: Output;
}

export interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export function processContext(): CliContext {
  const { env, stdin, stdout, stderr } = process;
  return { env, cwd: process.cwd(), stdin, stdout, stderr };
}

/** The environment of a child process. Null removes a variable. */
export function environmentWith(
  { env }: Pick<CliContext, 'env'>,
  changes: Readonly<Record<string, string | null>> = {},
): Record<string, string> {
  const entries = Object.entries({ ...env, ...changes });
  return Object.fromEntries(
    entries.flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  );
}

export function printLine(output: Output, line: string): void {
  output.write(`${line}\n`);
}

export function printJson(context: CliContext, value: unknown): void {
  printLine(context.stdout, JSON.stringify(value, null, 2));
}

export type Colour = 'green' | 'yellow' | 'red' | 'dim' | 'bold';

/** Colours text on a terminal, unless NO_COLOR is set (https://no-color.org). */
export function painter(output: Output, env: CliContext['env']): (colour: Colour, text: string) => string {
  const enabled = output.isTTY === true && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  return (colour, text) => (enabled ? styleText(colour, text, { validateStream: false }) : text);
}
