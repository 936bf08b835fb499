/** What a person did with the mouse. Columns and rows count from 0. */
export type MouseEvent =
  | { kind: 'click'; column: number; row: number }
  | { kind: 'wheel'; by: 1 | -1; column: number; row: number };

/** Presses, releases and the wheel, in the form that has no bound on columns (SGR, 1006). Source: xterm's ctlseqs. */
export const MOUSE_ON = '\u001B[?1000h\u001B[?1006h';
export const MOUSE_OFF = '\u001B[?1006l\u001B[?1000l';

// oxlint-disable-next-line no-control-regex -- control sequences are what this file is about
const REPORT = /\u001B\[<(\d+);(\d+);(\d+)([Mm])/g;
// oxlint-disable-next-line no-control-regex -- see above
const UNFINISHED = /\u001B(?:\[(?:<[\d;]*)?)?$/;
/** With it, what was begun is no key. */
const CERTAIN = '\u001B[<';
const REST = /^[\d;]*(?:[Mm]|$)/;

/** Takes reports of the mouse out of what a terminal sends: nothing of them may ever be taken for keys. */
export class MouseReports {
  /** The beginning of a report whose end has not come yet. */
  #begun = '';

  take(chunk: string): { keys: string; events: MouseEvent[] } {
    // Without its end, the beginning of a report says nothing.
    const text = this.#begun.startsWith(CERTAIN) && !REST.test(chunk) ? chunk : this.#begun + chunk;
    this.#begun = UNFINISHED.exec(text)?.[0] ?? '';
    const events: MouseEvent[] = [];
    const keys = text.replace(UNFINISHED, '').replace(REPORT, (_, button, column, row, end) => {
      const event = eventOf(Number(button), Number(column) - 1, Number(row) - 1, end === 'M');
      if (event !== null) events.push(event);
      return '';
    });
    return { keys, events };
  }

  /** True while Esc, or what may be the beginning of another key, waits for what comes after it. */
  get mayBeKey(): boolean {
    return this.#begun !== '' && !this.#begun.startsWith(CERTAIN);
  }

  /** Nothing came after it: it was a key. */
  release(): string {
    if (!this.mayBeKey) return '';
    const key = this.#begun;
    this.#begun = '';
    return key;
  }
}

/** Null for what means nothing here: releases, other buttons, clicks with a modifier. */
function eventOf(button: number, column: number, row: number, pressed: boolean): MouseEvent | null {
  if (!pressed || column < 0 || row < 0) return null;
  if (button === 0) return { kind: 'click', column, row };
  if (button === 64) return { kind: 'wheel', by: -1, column, row };
  return button === 65 ? { kind: 'wheel', by: 1, column, row } : null;
}
