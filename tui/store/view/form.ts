import type { ListedBackup } from '../../../shared/api/backups.ts';

/** What the form does. Its fields are read by name. */
export type FormPurpose =
  | { kind: 'sign-in' }
  /** `before` is the name of the server that is changed; null for a new one. */
  | { kind: 'server'; before: string | null }
  | { kind: 'remove-server'; name: string }
  | { kind: 'delete-database'; name: string }
  | { kind: 'restore-backup'; name: string; backup: ListedBackup }
  | { kind: 'restore-time'; name: string; times: { from: string; to: string | null } }
  | { kind: 'set-role'; id: string; email: string };

export interface Field {
  name: string;
  label: string;
  value: string;
  /** The value of a secret is never drawn. A field with options holds one of them. */
  kind: 'text' | 'secret' | { options: readonly string[] };
}

/** A dialog with fields, one below the other. */
export interface Form {
  purpose: FormPurpose;
  title: string;
  /** What submitting the form does. Each line is a paragraph. */
  about: string;
  /** Label of the key that submits the form, in a word or two. */
  verb: string;
  /** The form deletes something and is drawn in the colour of errors. */
  danger?: true;
  /** The fathomd command that does the same, without the program's name; of the values of the fields. */
  command?: string | ((form: Form) => string);
  fields: readonly Field[];
  /** Index of the current field. */
  at: number;
  error: string | null;
  /** The form was submitted and waits for the response. */
  busy: boolean;
}

export function moveInForm(form: Form, by: 1 | -1): Form {
  return { ...form, at: (form.at + by + form.fields.length) % Math.max(1, form.fields.length) };
}

export function currentField({ fields, at }: Form): Field | undefined {
  return fields[at];
}

/** Selects the next or previous option of the current field. */
export function stepOption(form: Form, by: 1 | -1): Form {
  const field = currentField(form);
  if (typeof field?.kind !== 'object') return form;
  const { options } = field.kind;
  const next = (options.indexOf(field.value) + by + options.length) % options.length;
  return setCurrentValue(form, options[next] ?? field.value);
}

export function pasteInForm(form: Form, text: string): Form {
  const field = currentField(form);
  if (field === undefined || typeof field.kind === 'object') return form;
  return setCurrentValue(form, field.value + text);
}

/** The command that does the same; undefined without one. */
export function commandOfForm(form: Form): string | undefined {
  return typeof form.command === 'function' ? form.command(form) : form.command;
}

export function valueOf({ fields }: Form, name: string): string {
  return fields.find((field) => field.name === name)?.value ?? '';
}

export function setCurrentValue(form: Form, value: string): Form {
  return {
    ...form,
    fields: form.fields.map((field, index) => (index === form.at ? { ...field, value } : field)),
    error: null,
  };
}
