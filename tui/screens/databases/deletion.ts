import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import type { Instance } from '../../../shared/api/instances.ts';
import { deletionConsequences } from '../../../shared/deletion.ts';
import { keyFor } from '../../keys/places.ts';
import type { Form } from '../../store/view/form.ts';
import { actionsOffReason } from '../../widgets/link-text.ts';
import { type Console, showNotice } from '../console.ts';
import { openForm } from '../input/forms.ts';
import { denialReason } from '../input/start-action.ts';

/** Opens the form that asks for the name of the database. Shows why if it cannot be deleted. */
export function offerDeletion(console: Console, name: string | null): void {
  const instance = name === null ? undefined : console.fleet.store.get().instances.get(name);
  const why = deletionDenialReason(console, instance);
  if (why !== null || instance === undefined) return showNotice(console, why ?? '');
  // A daemon of an earlier release has no trash.
  const { trash }: Partial<DaemonStatus> = console.fleet.store.get().status ?? {};
  openForm(console, deletionForm(instance, trash?.days ?? 0));
}

/** @param typed the name that the user typed @throws Error with a sentence, if the database cannot be deleted */
export function deleteDatabase(console: Console, name: string, typed: string): null {
  if (typed !== name) throw new Error(`the name does not match: type ${name}`);
  // The state may have changed since the form was opened.
  const why = deletionDenialReason(console, console.fleet.store.get().instances.get(name));
  if (why !== null) throw new Error(why);
  void console.fleet.actions.run({ verb: 'delete', names: [name] });
  return null;
}

function deletionDenialReason(console: Console, instance: Instance | undefined): string | null {
  const off = actionsOffReason(console.fleet.store.get().link);
  if (off !== null) return off;
  if (instance === undefined) return 'No database is selected.';
  if (instance.kind === 'global') return 'The global database contains all accounts and cannot be deleted.';
  const { at, marks } = console.ui.get();
  if (at.screen === 'instances' && marks.size > 0)
    return `Only one database can be deleted at a time. ${keyFor('back')} removes the marks.`;
  return denialReason(console, 'databases.delete');
}

function deletionForm(instance: Instance, trashDays: number): Form {
  const { name } = instance;
  return {
    purpose: { kind: 'delete-database', name },
    title: `Delete ${name}?`,
    about: deletionConsequences(instance, trashDays).join('\n'),
    verb: 'delete',
    danger: true,
    command: `databases delete ${name}`,
    fields: [{ name: 'name', label: 'Type the name', value: '', kind: 'text' }],
    at: 0,
    error: null,
    busy: false,
  };
}
