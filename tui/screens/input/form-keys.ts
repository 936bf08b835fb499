import { messageOf } from '../../../shared/errors.ts';
import { commandOf } from '../../keys/places.ts';
import { sanitise } from '../../store/text/sanitise.ts';
import { type Form, moveInForm, typeInForm, valueOf } from '../../store/view/form.ts';
import { setRole } from '../accounts/account-actions.ts';
import { type Console, showNotice } from '../console.ts';
import { deleteDatabase } from '../databases/deletion.ts';
import type { Press } from './answer-guard.ts';
import { copyCommand } from './copying.ts';
import { KEEP_SIGNED_IN } from './forms.ts';

/** What keys do in a form. While it is sent, only leaving does anything. */
export function handleFormKey(console: Console, form: Form, { press, alone }: Press): void {
  switch (commandOf('form', press)) {
    case 'interrupt':
    case 'form.cancel':
      return show(console, null);
    case 'form.copy':
      return copy(console, form);
    case 'form.next':
      return form.busy ? undefined : show(console, moveInForm(form, 1));
    case 'form.before':
      return form.busy ? undefined : show(console, moveInForm(form, -1));
    case 'form.send':
      // Where nothing is typed, Enter is all that is asked for.
      return form.busy || (form.fields.length === 0 && !alone) ? undefined : void send(console, form);
    default:
      return form.busy ? undefined : show(console, typeInForm(form, press));
  }
}

function show({ ui }: Console, form: Form | null): void {
  ui.update((state) => ({ ...state, dialog: form === null ? null : { kind: 'form', form } }));
}

function copy(console: Console, { command }: Form): void {
  if (command !== undefined) copyCommand(console, command);
}

async function send(console: Console, form: Form): Promise<void> {
  const sent: Form = { ...form, busy: true, error: null };
  show(console, sent);
  // Somebody may have closed it, or another may have been opened, before the answer came.
  const still = () => {
    const { dialog } = console.ui.get();
    return dialog?.kind === 'form' && dialog.form === sent;
  };
  try {
    const done = await applyForm(console, form);
    if (still()) show(console, null);
    // What is an action has a line of its own.
    if (done !== null) showNotice(console, done);
  } catch (error) {
    if (still()) show(console, { ...form, error: sanitise(messageOf(error)) });
    else showNotice(console, messageOf(error));
  }
}

/** What was done, in a sentence; null where an action line tells it. @throws Error with a sentence */
async function applyForm(console: Console, form: Form): Promise<string | null> {
  const value = (name: string) => valueOf(form, name);
  switch (form.purpose.kind) {
    case 'sign-in': {
      if (console.session === null) throw new Error('whoever can open the local socket is signed in already');
      const { email, role } = await console.session.signIn(
        value('email').trim(),
        value('password'),
        value('keep') === KEEP_SIGNED_IN,
      );
      console.fleet.refresh();
      return `Signed in as ${email}, whose role is ${role}.`;
    }
    case 'server': {
      const input = { name: value('name'), address: value('address'), theme: value('theme') };
      const { name } = await console.servers.save(input, form.purpose.before);
      return `${name} is saved; ⏎ connects to it.`;
    }
    case 'delete-database':
      return deleteDatabase(console, form.purpose.name, value('name').trim());
    case 'set-role':
      return setRole(console, form.purpose, value('role'));
    case 'remove-server':
      await console.servers.remove(form.purpose.name);
      return `${form.purpose.name} is removed.`;
  }
}
