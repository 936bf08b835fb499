import type { ListedBackup } from '../../../shared/api/backups.ts';
import type { Instance } from '../../../shared/api/instances.ts';
import { byteSize, longDuration, since, stamp } from '../../store/text/format.ts';
import type { Form, FormPurpose } from '../../store/view/form.ts';
import { type Console, showNotice } from '../console.ts';
import { openForm } from '../input/forms.ts';
import { denialReason, startAction } from '../input/start-action.ts';

/** Backs up a database now. Shows why if that is not possible. */
export function startBackup(console: Console, name: string | null): void {
  const why = name === null ? 'No database is selected.' : denialReason(console, 'backups.create');
  if (why !== null || name === null) return showNotice(console, why ?? '');
  startAction(console, { verb: 'backUp', names: [name] });
}

/** Proves the last backup of a database now. Shows why if that is not possible. */
export function startDrill(console: Console, name: string | null): void {
  const why = name === null ? 'No database is selected.' : denialReason(console, 'backups.configure');
  if (why !== null || name === null) return showNotice(console, why ?? '');
  startAction(console, { verb: 'drill', names: [name] });
}

/** Opens the form that asks for the name of the database. Shows why if it cannot be restored. */
export function offerRestore(console: Console, name: string, backup: ListedBackup | undefined): void {
  const { instances, now } = console.fleet.store.get();
  const instance = instances.get(name);
  const why = restoreDenialReason(console, instance, backup);
  if (why !== null || instance === undefined || backup === undefined) return showNotice(console, why ?? '');
  openForm(console, restoreForm(instance, backup, now));
}

/** @param typed the name that the user typed @throws Error with a sentence, if the database cannot be restored */
export function restoreDatabase(
  console: Console,
  { name, backup }: Extract<FormPurpose, { kind: 'restore-backup' }>,
  typed: string,
): null {
  if (typed !== name) throw new Error(`the name does not match: type ${name}`);
  // The state may have changed since the form was opened.
  const why = restoreDenialReason(console, console.fleet.store.get().instances.get(name), backup);
  if (why !== null) throw new Error(why);
  void console.fleet.actions.run({ verb: 'restore', names: [name], value: backup.id });
  return null;
}

function restoreDenialReason(
  console: Console,
  instance: Instance | undefined,
  backup: ListedBackup | undefined,
): string | null {
  if (instance?.kind === 'global')
    return "The control plane is restored into an empty host with 'fathomd restore', see docs/restore.md.";
  if (instance === undefined || backup === undefined) return 'No backup is selected.';
  if (backup.damaged) return 'This backup is damaged and cannot be restored: select another one.';
  return denialReason(console, 'backups.restore');
}

function restoreForm({ name, email, usage }: Instance, backup: ListedBackup, now: number): Form {
  const age = longDuration(since(backup.created_at, now));
  const disk = usage?.disk_bytes ?? null;
  const size = disk === null ? '' : ` (${byteSize(disk)} on disk)`;
  return {
    purpose: { kind: 'restore-backup', name, backup },
    title: `Restore ${name}?`,
    about: [
      `All data of ${email ?? 'its owner'}${size} is replaced by the backup of ${stamp(backup.created_at, now)}, ${byteSize(backup.bytes)}.`,
      `What was written in the ${age} since then is in the copy that is kept on the host, and in a backup that is made first if BACKUP_BEFORE_CHANGES is on.`,
      'All its users are signed out. Requests wait a few seconds. The owner keeps the password of today.',
    ].join('\n'),
    verb: 'restore',
    danger: true,
    command: `backups restore ${name} --backup ${backup.id}`,
    fields: [{ name: 'name', label: 'Type the name', value: '', kind: 'text' }],
    at: 0,
    error: null,
    busy: false,
  };
}
