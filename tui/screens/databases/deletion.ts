import type { Instance } from '../../../shared/api/instances.ts';
import { deletionConsequences } from '../../../shared/deletion.ts';
import type { Form } from '../../store/view/form.ts';
import { actionsOffReason } from '../../widgets/link-text.ts';
import { type Console, showNotice } from '../console.ts';
import { openForm } from '../input/forms.ts';
import { denialReason } from '../input/start-action.ts';

/** Asks for the name of the database that is to go; says why where it cannot. */
export function offerDeletion(console: Console, name: string | null): void {
  const instance = name === null ? undefined : console.fleet.store.get().instances.get(name);
  const why = deletionDenialReason(console, instance);
  if (why !== null || instance === undefined) return showNotice(console, why ?? '');
  openForm(console, deletionForm(instance));
}

/** The name is what was typed. @throws Error with a sentence, where it must not be done */
export function deleteDatabase(console: Console, name: string, typed: string): null {
  if (typed !== name) throw new Error(`that is not ${name}`);
  // Whatever happened while the question stood.
  const why = deletionDenialReason(console, console.fleet.store.get().instances.get(name));
  if (why !== null) throw new Error(why);
  void console.fleet.actions.run({ verb: 'delete', names: [name] });
  return null;
}

function deletionDenialReason(console: Console, instance: Instance | undefined): string | null {
  const off = actionsOffReason(console.fleet.store.get().link);
  if (off !== null) return off;
  if (instance === undefined) return 'There is no database to delete.';
  if (instance.kind === 'global') return 'The global database holds all accounts and is never deleted.';
  const { at, marks } = console.ui.get();
  if (at.screen === 'instances' && marks.size > 0)
    return 'Databases are deleted one at a time, by name: Esc drops the marks.';
  return denialReason(console, 'databases.delete');
}

function deletionForm(instance: Instance): Form {
  const { name } = instance;
  return {
    purpose: { kind: 'delete-database', name },
    title: `Delete ${name}?`,
    about: deletionConsequences(instance).join('\n'),
    verb: 'delete it',
    danger: true,
    command: `databases delete ${name}`,
    fields: [{ name: 'name', label: 'Type its name', value: '', kind: 'text' }],
    at: 0,
    error: null,
    busy: false,
  };
}
