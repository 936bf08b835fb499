import { messageOf } from '../../../shared/errors.ts';
import { editText } from '../../keys/edit-text.ts';
import { commandOf, keyFor } from '../../keys/places.ts';
import { sanitise } from '../../store/text/sanitise.ts';
import {
  commandOfForm,
  currentField,
  type Form,
  moveInForm,
  setCurrentValue,
  stepOption,
  valueOf,
} from '../../store/view/form.ts';
import { setRole } from '../accounts/account-actions.ts';
import { restoreDatabase, restoreToTime } from '../backups/restoring.ts';
import { type Console, showNotice } from '../console.ts';
import { deleteDatabase } from '../databases/deletion.ts';
import type { Press } from './answer-guard.ts';
import { copyCommand } from './copying.ts';
import { KEEP_SIGNED_IN } from './forms.ts';

/** Handles a key in a form. While the form waits for a response, only closing it works. */
export function handleFormKey(console: Console, form: Form, { press, isSingle }: Press): void {
  const command = commandOf('form', press);
  switch (command) {
    case 'interrupt':
    case 'form.cancel':
      return showForm(console, null);
    case 'form.copy':
      return copyFormCommand(console, form);
    default:
  }
  if (form.busy) return;
  switch (command) {
    case 'form.next':
      return showForm(console, moveInForm(form, 1));
    case 'form.previous':
      return showForm(console, moveInForm(form, -1));
    case 'form.send':
      // A form without fields is a yes-or-no question: one key confirms it.
      return form.fields.length === 0 && !isSingle ? undefined : void submit(console, form);
    default:
      return showForm(console, editCurrentField(form, press));
  }
}

function copyFormCommand(console: Console, form: Form): void {
  const text = commandOfForm(form);
  if (text !== undefined) copyCommand(console, text);
}

function editCurrentField(form: Form, press: string): Form {
  const field = currentField(form);
  if (field === undefined) return form;
  if (typeof field.kind === 'object') {
    const command = commandOf('form', press);
    if (command === 'choice.next') return stepOption(form, 1);
    return command === 'choice.previous' ? stepOption(form, -1) : form;
  }
  const text = editText(field.value, press);
  return text === null ? form : setCurrentValue(form, text);
}

function showForm({ ui }: Console, form: Form | null): void {
  ui.update((state) => ({ ...state, dialog: form === null ? null : { kind: 'form', form } }));
}

async function submit(console: Console, form: Form): Promise<void> {
  const sent: Form = { ...form, busy: true, error: null };
  showForm(console, sent);
  // The user may close the form, or another one may open, before the response arrives.
  const isStillOpen = () => {
    const { dialog } = console.ui.get();
    return dialog?.kind === 'form' && dialog.form === sent;
  };
  try {
    const done = await applyForm(console, form);
    if (isStillOpen()) showForm(console, null);
    if (done !== null) showNotice(console, done);
  } catch (error) {
    if (isStillOpen()) showForm(console, { ...form, error: sanitise(messageOf(error)) });
    else showNotice(console, messageOf(error));
  }
}

/**
 * @returns what was done, as a sentence; null where the line of an action shows it
 * @throws Error with a sentence for the user
 */
async function applyForm(console: Console, form: Form): Promise<string | null> {
  const value = (name: string) => valueOf(form, name);
  switch (form.purpose.kind) {
    case 'sign-in': {
      if (console.session === null) throw new Error('the local socket needs no sign-in');
      const { email, role } = await console.session.signIn(
        value('email').trim(),
        value('password'),
        value('keep') === KEEP_SIGNED_IN,
      );
      console.fleet.refresh();
      return `Signed in as ${email} with the role ${role}.`;
    }
    case 'server': {
      const input = { name: value('name'), address: value('address'), theme: value('theme') };
      const { name } = await console.servers.save(input, form.purpose.before);
      return `Saved ${name}. ${keyFor('open')} connects to it.`;
    }
    case 'delete-database':
      return deleteDatabase(console, form.purpose.name, value('name').trim());
    case 'restore-backup':
      return restoreDatabase(console, form.purpose, value('name').trim());
    case 'restore-time':
      return restoreToTime(console, form.purpose, { time: value('time'), typed: value('name').trim() });
    case 'set-role':
      return setRole(console, form.purpose, value('role'));
    case 'remove-server':
      await console.servers.remove(form.purpose.name);
      return `Removed ${form.purpose.name}.`;
  }
}
