/** A click or a turn of the wheel. Columns and rows start at 0. */
export type MouseEvent =
  | { kind: 'click'; column: number; row: number }
  | { kind: 'wheel'; by: 1 | -1; column: number; row: number };

/** Report presses, releases and the wheel, in the format without a column limit (SGR, 1006). See xterm's ctlseqs. */
export const MOUSE_ON = '\u001B[?1000h\u001B[?1006h';
export const MOUSE_OFF = '\u001B[?1006l\u001B[?1000l';

// oxlint-disable-next-line no-control-regex -- matches control sequences on purpose
const REPORT = /\u001B\[<(\d+);(\d+);(\d+)([Mm])/g;
// oxlint-disable-next-line no-control-regex -- see above
const UNFINISHED = /\u001B(?:\[(?:<[\d;]*)?)?$/;
/** Input with this prefix is a mouse report, never a key. */
const REPORT_START = '\u001B[<';
const REST = /^[\d;]*(?:[Mm]|$)/;

/** Separates mouse reports from the keys in terminal input. No part of a report may ever be read as keys. */
export class MouseReports {
  /** The start of an incomplete report. */
  #pending = '';

  take(chunk: string): { keys: string; events: MouseEvent[] } {
    // An incomplete report that does not continue is dropped.
    const text = this.#pending.startsWith(REPORT_START) && !REST.test(chunk) ? chunk : this.#pending + chunk;
    this.#pending = UNFINISHED.exec(text)?.[0] ?? '';
    const events: MouseEvent[] = [];
    const keys = text.replace(UNFINISHED, '').replace(REPORT, (_, button, column, row, end) => {
      const event = eventOf(Number(button), Number(column) - 1, Number(row) - 1, end === 'M');
      if (event !== null) events.push(event);
      return '';
    });
    return { keys, events };
  }

  /** True while the input ends with Esc or with the start of another key's sequence. */
  get mayBeKey(): boolean {
    return this.#pending !== '' && !this.#pending.startsWith(REPORT_START);
  }

  /** Returns the pending input as a key, after nothing followed it in time. */
  release(): string {
    if (!this.mayBeKey) return '';
    const key = this.#pending;
    this.#pending = '';
    return key;
  }
}

/** Null for unused reports: releases, other buttons, clicks with a modifier. */
function eventOf(button: number, column: number, row: number, pressed: boolean): MouseEvent | null {
  if (!pressed || column < 0 || row < 0) return null;
  if (button === 0) return { kind: 'click', column, row };
  if (button === 64) return { kind: 'wheel', by: -1, column, row };
  return button === 65 ? { kind: 'wheel', by: 1, column, row } : null;
}
