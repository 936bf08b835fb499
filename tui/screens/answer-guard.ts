import type { Dialog } from '../store/ui-state.ts';

/** A key, and whether it was the only one of its read: several at once are a paste, or were typed ahead. */
export interface Press {
  press: string;
  alone: boolean;
}

/**
 * Decides whether input may go to a dialog: only what was typed after the dialog was on the screen. Input that was
 * typed before (a fast paste, a slow line, keys typed ahead) is read later, and would answer a question that was not seen.
 */
export class AnswerGuard {
  readonly #afterPendingInput: (callback: () => void) => void;
  /** The dialog that is on the screen. */
  #drawn: object | null = null;
  #open = false;

  constructor(afterPendingInput: (callback: () => void) => void = afterTwoTurns) {
    this.#afterPendingInput = afterPendingInput;
  }

  /** A frame with this dialog was written to the terminal. */
  drawn(dialog: Dialog | null): void {
    const question = questionOf(dialog);
    if (question === this.#drawn) return;
    this.#drawn = question;
    this.#open = false;
    if (question === null) return;
    this.#afterPendingInput(() => {
      if (this.#drawn === question) this.#open = true;
    });
  }

  accepts(dialog: Dialog): boolean {
    const question = questionOf(dialog);
    return question === null || (this.#open && this.#drawn === question);
  }
}

/** What stays the same while one dialog is open, and differs from that of every other; null for what answers nothing. */
export function questionOf(dialog: Dialog | null): object | null {
  switch (dialog?.kind) {
    case 'form':
      return dialog.form.purpose;
    case 'copy':
      return dialog.choices;
    case 'confirm':
    case 'quit':
      return dialog;
    default:
      return null;
  }
}

/** One whole turn of the event loop reads what the terminal's buffer held when the dialog was drawn. */
function afterTwoTurns(callback: () => void): void {
  setImmediate(() => setImmediate(callback));
}
