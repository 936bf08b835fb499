import { PassThrough, Writable } from 'node:stream';
import xterm from '@xterm/headless';
import { render } from 'ink';
import { createElement } from 'react';
import { createClient } from '../../shared/client/fathom-client.ts';
import type { Target } from '../../shared/client/http.ts';
import { App } from '../../tui/app.tsx';
import { copyToClipboard } from '../../tui/launch/clipboard.ts';
import { TerminalInput } from '../../tui/launch/terminal-input.ts';
import type { Console } from '../../tui/screens/console.ts';
import { createConsole } from '../../tui/screens/create-console.ts';
import { handleMouse } from '../../tui/screens/input/handle-mouse.ts';
import { ProfileFiles } from '../../tui/servers/profile-files.ts';
import { saveText } from '../../tui/servers/saved-files.ts';
import { Servers } from '../../tui/servers/servers.ts';
import { clipboardMethods } from '../../tui/store/copy/clipboard-methods.ts';
import { connectFleet } from '../../tui/store/fleet/fleet-connection.ts';
import type { Slot } from '../../tui/store/pages/pages.ts';
import type { Location } from '../../tui/store/view/location.ts';
import type { Dialog, UiState } from '../../tui/store/view/ui-state.ts';
import type { ThemeName } from '../../tui/theme.ts';

const DEADLINE = 60_000;
/** In the place of the time that the console waits: what was written to the keyboard has been read then. */
function afterPendingInput(_: number, callback: () => void): () => void {
  let next = setImmediate(() => {
    next = setImmediate(callback);
  });
  return () => clearImmediate(next);
}

/** Turns of the event loop: to read a key, to draw, and until a dialog takes input. */
const TURNS_OF_A_PRESS = 5;

export interface HarnessOptions {
  target: Target;
  columns?: number;
  rows?: number;
  /** Default: the sixteen base colours. */
  theme?: ThemeName;
  ownsDaemon?: boolean;
  readOnly?: boolean;
  mouse?: boolean;
  /** Whose settings: `XDG_CONFIG_HOME` is read. */
  env?: Record<string, string>;
  session?: Console['session'];
  connectTo?: Console['connectTo'];
}

/** What Ink takes for a terminal; everything that is written goes through a real terminal's parser. */
class Screen extends Writable {
  readonly isTTY = true;
  columns: number;
  rows: number;
  clipboard = '';
  readonly terminal: xterm.Terminal;
  readonly #watchers = new Set<() => void>();

  constructor(columns: number, rows: number) {
    super();
    this.columns = columns;
    this.rows = rows;
    // The terminal driver of a kernel turns a line feed into a new line; here the parser has to.
    this.terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, convertEol: true });
    this.terminal.parser.registerOscHandler(52, (data) => {
      this.clipboard = Buffer.from(data.replace(/^c;/, ''), 'base64').toString('utf8');
      return true;
    });
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.terminal.write(chunk, () => {
      done();
      this.look();
    });
  }

  resize(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
    this.terminal.resize(columns, rows);
    this.emit('resize');
  }

  /** Checks again what is waited for. */
  look(): void {
    for (const look of this.#watchers) look();
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!condition()) return;
        this.#watchers.delete(look);
        resolve();
      };
      this.#watchers.add(look);
      look();
    });
  }
}

class Keyboard extends PassThrough {
  readonly isTTY = true;
  isRaw = false;
  setRawMode(raw: boolean): this {
    this.isRaw = raw;
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}

export class ConsoleHarness {
  readonly left: Promise<'keep' | 'stop'>;
  readonly console: Console;
  readonly #screen: Screen;
  readonly #keyboard = new Keyboard();
  #lastNotice: UiState['notice'] = null;
  #typed: Promise<void> = Promise.resolve();
  readonly #ink: ReturnType<typeof render>;

  constructor({ target, columns = 80, rows = 24, ...options }: HarnessOptions) {
    this.#screen = new Screen(columns, rows);
    const fleet = connectFleet({
      access: { target },
      by: 'tester',
      commands: async () => createClient({ target }),
    });
    const { promise, resolve } = Promise.withResolvers<'keep' | 'stop'>();
    this.left = promise;
    this.console = createConsole({
      fleet,
      theme: options.theme ?? '16',
      mouse: options.mouse ?? false,
      after: afterPendingInput,
      copy: (text) =>
        copyToClipboard(text, clipboardMethods(options.env ?? {}), (sequence) =>
          this.#screen.write(sequence),
        ),
      save: (name, text) => saveText(options.env ?? {}, name, text),
      launcher: 'bin/fathomd',
      targetArguments: '',
      readOnly: options.readOnly ?? false,
      ownsDaemon: options.ownsDaemon ?? false,
      address: 'socketPath' in target ? target.socketPath : target.url,
      title: 'Fathom',
      servers: new Servers(() => ProfileFiles.open(options.env ?? {}), null),
      session: options.session ?? null,
      connectTo: options.connectTo ?? (async () => {}),
      leave: (daemon) => {
        this.#ink.unmount();
        resolve(daemon);
      },
    });
    // A notice that is the same as the one before is not drawn again.
    this.console.ui.subscribe(() => this.#screen.look());
    this.#ink = render(createElement(App, { console: this.console }), {
      stdout: this.#screen as unknown as NodeJS.WriteStream,
      stdin: new TerminalInput(this.#keyboard, (event) =>
        handleMouse(this.console, event, { columns: this.#screen.columns, rows: this.#screen.rows }),
      ) as unknown as NodeJS.ReadStream,
      alternateScreen: true,
      exitOnCtrlC: false,
      interactive: true,
      patchConsole: false,
    });
  }

  /** What was handed to the terminal's clipboard last; empty before. */
  get clipboard(): string {
    return this.#screen.clipboard;
  }

  get raw(): boolean {
    return this.#keyboard.isRaw;
  }

  get buffer(): 'normal' | 'alternate' {
    return this.#screen.terminal.buffer.active.type;
  }

  /** The rows of the terminal, as text without trailing blanks. */
  get lines(): string[] {
    const { active } = this.#screen.terminal.buffer;
    return Array.from({ length: this.#screen.terminal.rows }, (_, row) => {
      return active.getLine(active.viewportY + row)?.translateToString(true) ?? '';
    });
  }

  get text(): string {
    return this.lines.join('\n');
  }

  line(containing: string): string {
    return this.lines.find((line) => line.includes(containing)) ?? '';
  }

  /** The column in which `text` begins on the row that contains `row`; -1 when it does not. */
  columnOf(text: string, row: string): number {
    const { active } = this.#screen.terminal.buffer;
    const line = active.getLine(active.viewportY + this.lines.findIndex((one) => one.includes(row)));
    if (line === undefined) return -1;
    for (let column = 0; column < line.length; column += 1) {
      if (line.translateToString(false, column).startsWith(text)) return column;
    }
    return -1;
  }

  /** How a text on the screen is drawn. */
  styleOf(text: string): { dim: boolean; inverse: boolean; colour: number | null } | null {
    const { active } = this.#screen.terminal.buffer;
    for (let row = 0; row < this.#screen.terminal.rows; row += 1) {
      const line = active.getLine(active.viewportY + row);
      if (line === undefined) return null;
      for (let column = 0; column < line.length; column += 1) {
        if (!line.translateToString(false, column).startsWith(text)) continue;
        const cell = line.getCell(column);
        if (cell === undefined) return null;
        const colour = cell.isFgDefault() ? null : cell.getFgColor();
        return { dim: cell.isDim() !== 0, inverse: cell.isInverse() !== 0, colour };
      }
    }
    return null;
  }

  /** Fails with what is on the screen, when it does not come in time. */
  async until(condition: (harness: this) => boolean, wanted = condition.toString()): Promise<void> {
    let late: NodeJS.Timeout | undefined;
    const deadline = new Promise<never>((_, reject) => {
      late = setTimeout(() => reject(new Error(`Not on the screen: ${wanted}\n${this.text}`)), DEADLINE);
    });
    try {
      await Promise.race([this.#screen.until(() => condition(this)), deadline]);
    } finally {
      clearTimeout(late);
    }
  }

  shows(...texts: (string | RegExp)[]): Promise<void> {
    const isShown = (text: string | RegExp) =>
      typeof text === 'string' ? this.text.includes(text) : text.test(this.text);
    return this.until(() => texts.every(isShown), texts.join(', '));
  }

  /** Waits for a new notice in the status line that contains all of these names and values. */
  async notices(...parts: string[]): Promise<void> {
    const notice = () => this.console.ui.get().notice;
    await this.until(
      () => {
        const text = notice()?.text ?? null;
        return text !== null && notice() !== this.#lastNotice && parts.every((part) => text.includes(part));
      },
      `a notice with ${parts.join(', ')}`,
    );
    this.#lastNotice = notice();
    await this.shows(this.#lastNotice?.text.slice(0, 20) ?? '');
  }

  /** Waits for a form that refuses what was typed. */
  refusesForm(): Promise<void> {
    return this.until(() => {
      const { dialog } = this.console.ui.get();
      return dialog?.kind === 'form' && dialog.form.error !== null && this.text.includes(dialog.form.error);
    }, 'a form with an error');
  }

  /** Waits for a dialog of this kind to be drawn; null: for no dialog. */
  async opens(kind: Dialog['kind'] | null): Promise<void> {
    await this.until(() => (this.console.ui.get().dialog?.kind ?? null) === kind, `the dialog ${kind}`);
  }

  /** Waits for data that is loaded over HTTP while a screen shows it. */
  loads(slot: Slot): Promise<void> {
    return this.until(() => {
      const page = this.console.fleet.store.get().pages[slot];
      return page !== undefined && page.value !== null;
    }, `the page ${slot}`);
  }

  /** Waits for this screen. */
  goesTo(screen: Location['screen']): Promise<void> {
    return this.until(() => this.console.ui.get().at.screen === screen, `the screen ${screen}`);
  }

  hides(...texts: string[]): Promise<void> {
    return this.until(() => texts.every((text) => !this.text.includes(text)), `without ${texts.join(', ')}`);
  }

  /** One read of the terminal for each, as of a person who types: the next one comes when this one has been drawn. */
  press(...keys: string[]): void {
    for (const key of keys) this.#type(KEYS[key] ?? key);
  }

  /** All of them in one read. */
  pressAtOnce(...keys: string[]): void {
    this.#type(keys.map((key) => KEYS[key] ?? key).join(''));
  }

  /** A press and a release of the left button on the first row that contains this text. */
  click(text: string): void {
    const row = this.lines.findIndex((line) => line.includes(text));
    const column = this.columnOf(text, text);
    for (const end of ['M', 'm']) this.#type(`\u001B[<0;${column + 1};${row + 1}${end}`);
  }

  wheel(by: 1 | -1): void {
    this.#type(`\u001B[<${by === 1 ? 65 : 64};2;5M`);
  }

  paste(text: string): void {
    this.#type(`\u001B[200~${text}\u001B[201~`);
  }

  #type(bytes: string): void {
    this.#typed = this.#typeAfter(this.#typed, bytes);
  }

  async #typeAfter(before: Promise<void>, bytes: string): Promise<void> {
    await before;
    this.#keyboard.write(bytes);
    for (let turn = 0; turn < TURNS_OF_A_PRESS; turn += 1) await new Promise(setImmediate);
  }

  /** After the keys that were pressed before. */
  resize(columns: number, rows: number): void {
    this.#typed = this.#typed.then(() => this.#screen.resize(columns, rows));
  }

  /** Another program writes to the same terminal. */
  scribble(text: string): void {
    this.#screen.write(text);
  }

  close(): void {
    this.#ink.unmount();
    this.console.fleet.close();
  }
}

const KEYS: Readonly<Record<string, string>> = {
  enter: '\r',
  esc: '\u001B',
  up: '\u001B[A',
  down: '\u001B[B',
  pagedown: '\u001B[6~',
  pageup: '\u001B[5~',
  left: '\u001B[D',
  tab: '\t',
  space: ' ',
  'ctrl+c': '\u0003',
  'ctrl+r': '\u0012',
  'ctrl+u': '\u0015',
  backspace: '\u007F',
};
