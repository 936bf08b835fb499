import type { Dialog } from '../../store/view/ui-state.ts';

/** A key, and whether it was the only one of its read: several at once are a paste, or were typed ahead. */
export interface Press {
  press: string;
  alone: boolean;
}

/**
 * Milliseconds without a key after which a question takes one: longer than between the keys of a paste that comes key by
 * key, shorter than a person needs to read it.
 */
const QUIET_MS = 100;

/**
 * Decides whether input may go to a dialog: only what is typed after the dialog was on the screen. Input that was typed
 * before (a paste, a slow line, keys typed ahead) comes later, and would answer a question that was not seen.
 */
export class AnswerGuard {
  readonly #after: (ms: number, callback: () => void) => () => void;
  readonly #onOpen: (question: object) => void;
  #cancel: (() => void) | null = null;
  /** The dialog that is on the screen. */
  #drawn: object | null = null;
  #open = false;

  constructor(
    after: (ms: number, callback: () => void) => () => void,
    /** Keys are taken from now on. */
    onOpen: (question: object) => void,
  ) {
    this.#after = after;
    this.#onOpen = onOpen;
  }

  /** A frame with this dialog was written to the terminal. */
  drawn(dialog: Dialog | null): void {
    const question = questionOf(dialog);
    if (question === this.#drawn) return;
    this.#drawn = question;
    this.#open = false;
    this.#wait();
  }

  /** Something was read from the terminal: a question that is not open yet waits again. */
  typed(): void {
    if (!this.#open) this.#wait();
  }

  #wait(): void {
    this.#cancel?.();
    this.#cancel = null;
    const question = this.#drawn;
    if (question === null) return;
    this.#cancel = this.#after(QUIET_MS, () => {
      this.#open = true;
      this.#onOpen(question);
    });
  }

  accepts(dialog: Dialog): boolean {
    const question = questionOf(dialog);
    if (question === null) return true;
    return this.#drawn === question && (this.#open || !isAnsweredByOneKey(dialog));
  }
}

/** Where a single key is enough; a form wants its lines filled in before. */
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
