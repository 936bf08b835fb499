import { editText } from './edit-text.ts';

/** What the form is for; its fields are read under their names. */
export type FormPurpose =
  | { kind: 'sign-in' }
  /** `before` is the name of the one that is changed. */
  | { kind: 'server'; before: string | null }
  | { kind: 'remove-server'; name: string }
  | { kind: 'delete-database'; name: string }
  | { kind: 'set-role'; id: string; email: string };

export interface Field {
  name: string;
  label: string;
  value: string;
  /** A secret is never drawn; a choice is one of its options. */
  kind: 'text' | 'secret' | { options: readonly string[] };
}

/** Lines to fill in, one above the other. */
export interface Form {
  purpose: FormPurpose;
  title: string;
  /** What it does: a paragraph on each line. */
  about: string;
  /** What Enter does, in a word or two. */
  verb: string;
  /** It destroys something, and looks like it. */
  danger?: true;
  /** The command of fathomd that does the same, without the program's name. */
  command?: string;
  fields: readonly Field[];
  /** Index of the field that is typed in. */
  at: number;
  error: string | null;
  /** Sent, and not answered yet. */
  busy: boolean;
}

export function moveInForm(form: Form, by: 1 | -1): Form {
  return { ...form, at: (form.at + by + form.fields.length) % Math.max(1, form.fields.length) };
}

/** The form after a key that is none of its commands; the same when the key means nothing there. */
export function typeInForm(form: Form, press: string): Form {
  const field = form.fields[form.at];
  if (field === undefined) return form;
  if (typeof field.kind === 'object') {
    const step = CHOICE_STEPS[press];
    return step === undefined ? form : withValue(form, chosenAfter(field.kind.options, field.value, step));
  }
  const text = editText(field.value, press);
  return text === null ? form : withValue(form, text);
}

export function pasteInForm(form: Form, text: string): Form {
  const field = form.fields[form.at];
  return field === undefined || typeof field.kind === 'object' ? form : withValue(form, field.value + text);
}

export function valueOf({ fields }: Form, name: string): string {
  return fields.find((field) => field.name === name)?.value ?? '';
}

const CHOICE_STEPS: Readonly<Record<string, 1 | -1>> = { space: 1, right: 1, left: -1 };

function chosenAfter(options: readonly string[], value: string, step: 1 | -1): string {
  const next = (options.indexOf(value) + step + options.length) % options.length;
  return options[next] ?? value;
}

function withValue(form: Form, value: string): Form {
  return {
    ...form,
    fields: form.fields.map((field, index) => (index === form.at ? { ...field, value } : field)),
    error: null,
  };
}
