import { deletionConsequences } from '../../shared/deletion.ts';
import type { Instance } from '../../shared/instance.ts';
import type { Form } from '../store/form.ts';
import { actionsOff } from '../widgets/link-words.ts';
import type { Console } from './console.ts';
import { openForm } from './forms.ts';
import { say } from './say.ts';

/** Asks for the name of the database that is to go; says why where it cannot. */
export function offerDeletion(console: Console, name: string | null): void {
  const instance = name === null ? undefined : console.fleet.store.get().instances.get(name);
  const why = whyNotDelete(console, instance);
  if (why !== null || instance === undefined) return say(console, why ?? '');
  openForm(console, deletionForm(instance));
}

/** The name is what was typed. @throws Error with a sentence, where it must not be done */
export function deleteDatabase(console: Console, name: string, typed: string): null {
  if (typed !== name) throw new Error(`that is not ${name}`);
  // Whatever happened while the question stood.
  const why = whyNotDelete(console, console.fleet.store.get().instances.get(name));
  if (why !== null) throw new Error(why);
  void console.fleet.actions.run({ verb: 'delete', names: [name] });
  return null;
}

function whyNotDelete({ fleet, readOnly, ui }: Console, instance: Instance | undefined): string | null {
  const { link, status, status_problem: problem } = fleet.store.get();
  const off = actionsOff(link);
  if (off !== null) return off;
  if (instance === undefined) return 'There is no database to delete.';
  if (instance.kind === 'global') return 'The global database holds all accounts and is never deleted.';
  if (ui.get().at.screen === 'instances' && ui.get().marks.size > 0)
    return 'Databases are deleted one at a time, by name: Esc drops the marks.';
  if (readOnly) return 'This console only looks: it was started with --read-only.';
  if (status === null) return `It is not known what you may do here: ${problem ?? 'try again in a moment'}.`;
  if (!status.permissions.includes('databases.delete'))
    return 'Only administrators delete databases: you lack the permission databases.delete.';
  return null;
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
