import type { Dialog } from '../../store/view/ui-state.ts';

/** A key press. `isSingle`: the only one in its read. Several in one read were pasted or typed ahead. */
export interface Press {
  press: string;
  isSingle: boolean;
}

/**
 * Milliseconds without a key before a question accepts one: longer than the time between the keys of a slow paste,
 * shorter than a user needs to read the question.
 */
const QUIET_MS = 100;

/**
 * Decides whether a dialog accepts input. Only input that the user typed after the dialog was drawn is accepted: pasted
 * text or keys typed ahead may arrive later, and would answer a question that the user has not seen.
 */
export class AnswerGuard {
  readonly #after: (ms: number, callback: () => void) => () => void;
  readonly #onOpen: (question: object) => void;
  #cancel: (() => void) | null = null;
  /** The question on the screen. */
  #drawn: object | null = null;
  #isOpen = false;

  constructor(
    after: (ms: number, callback: () => void) => () => void,
    /** Called when a question starts to accept keys. */
    onOpen: (question: object) => void,
  ) {
    this.#after = after;
    this.#onOpen = onOpen;
  }

  /** Call this after a frame with `dialog` was written to the terminal. */
  drawn(dialog: Dialog | null): void {
    const question = questionOf(dialog);
    if (question === this.#drawn) return;
    this.#drawn = question;
    this.#isOpen = false;
    this.#wait();
  }

  /** Call this for every read from the terminal. A question that does not accept keys yet waits again. */
  typed(): void {
    if (!this.#isOpen) this.#wait();
  }

  #wait(): void {
    this.#cancel?.();
    this.#cancel = null;
    const question = this.#drawn;
    if (question === null) return;
    this.#cancel = this.#after(QUIET_MS, () => {
      this.#isOpen = true;
      this.#onOpen(question);
    });
  }

  accepts(dialog: Dialog): boolean {
    const question = questionOf(dialog);
    if (question === null) return true;
    return this.#drawn === question && (this.#isOpen || !isAnsweredByOneKey(dialog));
  }
}

/** Whether one key is enough to answer. A form with fields needs more. */
function isAnsweredByOneKey(dialog: Dialog): boolean {
  switch (dialog.kind) {
    case 'confirm':
    case 'quit':
      return true;
    case 'form':
      return dialog.form.fields.length === 0;
    default:
      return false;
  }
}

/** An object that identifies an open question; null for dialogs that ask nothing. */
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
