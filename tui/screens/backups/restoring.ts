import type { BackupStatus } from '../../../shared/api/backup-status.ts';
import type { ListedBackup } from '../../../shared/api/backups.ts';
import type { Instance } from '../../../shared/api/instances.ts';
import type { ReplicaTimes } from '../../../shared/api/replicas.ts';
import { formatLocalTime, localZone, parseLocalTime } from '../../../shared/local-time.ts';
import { keyFor } from '../../keys/places.ts';
import type { FleetState } from '../../store/fleet/fleet-state.ts';
import { type PageState, pageOf } from '../../store/pages/pages.ts';
import { byteSize, longDuration, since, stamp } from '../../store/text/format.ts';
import { type Field, type Form, type FormPurpose, valueOf } from '../../store/view/form.ts';
import { type Console, showNotice } from '../console.ts';
import { openForm } from '../input/forms.ts';
import { denialReason, startAction } from '../input/start-action.ts';

const OF_CONTROL_PLANE =
  "The control plane is restored into an empty host with 'fathomd restore', see docs/restore.md.";
const STAYS =
  'is in the copy that is kept on the host, and in a backup that is made first if BACKUP_BEFORE_CHANGES is on.';
const CONSEQUENCES =
  'All its users are signed out. Requests wait a few seconds. The owner keeps the password of today.';
const NAME_FIELD: Field = { name: 'name', label: 'Type the name', value: '', kind: 'text' };
const RESTORE_FORM = { verb: 'restore', danger: true, at: 0, error: null, busy: false } as const;
/** The end of the times is shown when it is so long ago. They are read once a minute. */
const LATE_MS = 90_000;

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

/** Whether the daemon replicates a database. The control plane is never replicated. */
export function isReplicated(
  { status, instances }: Pick<FleetState, 'status' | 'instances'>,
  name: string,
): boolean {
  // A daemon of an earlier release reports no replica.
  const backups: Partial<BackupStatus> | undefined = status?.backups;
  return (backups?.replica ?? null) !== null && instances.get(name)?.kind === 'user';
}

/** Opens the form that asks for a time and for the name of the database. Shows why if it cannot be restored to one. */
export function offerRestoreToTime(console: Console, name: string): void {
  const fleet = console.fleet.store.get();
  const instance = fleet.instances.get(name);
  const { from = null, to = null } = pageOf(fleet, 'replicaTimes', name)?.value ?? {};
  const why = timeDenialReason(console, name);
  if (why !== null || instance === undefined || from === null) return showNotice(console, why ?? '');
  openForm(console, timeForm(instance, { from, to }, fleet.now));
}

/** @throws Error with a sentence, if the time or the name is wrong */
export function restoreToTime(
  console: Console,
  { name, times }: Extract<FormPurpose, { kind: 'restore-time' }>,
  { time, typed }: { time: string; typed: string },
): null {
  const { now } = console.fleet.store.get();
  const at = parseLocalTime(time, new Date(now));
  const shown = formatLocalTime(at);
  if (at.getTime() < Date.parse(times.from))
    throw new Error(
      `the replica has nothing of ${shown}: it begins at ${formatLocalTime(new Date(times.from))}; write a later time, or restore a backup`,
    );
  if (at.getTime() > now)
    throw new Error(`${shown} is in the future: write an earlier time, with its day if it is not of today`);
  if (typed !== name) throw new Error(`the name does not match: type ${name}`);
  // The state may have changed since the form was opened.
  const why = timeDenialReason(console, name);
  if (why !== null) throw new Error(why);
  void console.fleet.actions.run({ verb: 'restoreTime', names: [name], value: at.toISOString() });
  return null;
}

function restoreDenialReason(
  console: Console,
  instance: Instance | undefined,
  backup: ListedBackup | undefined,
): string | null {
  if (instance?.kind === 'global') return OF_CONTROL_PLANE;
  if (instance === undefined || backup === undefined) return 'No backup is selected.';
  if (backup.damaged) return 'This backup is damaged and cannot be restored: select another one.';
  return denialReason(console, 'backups.restore');
}

function timeDenialReason(console: Console, name: string): string | null {
  const fleet = console.fleet.store.get();
  const instance = fleet.instances.get(name);
  if (instance === undefined) return 'No database is selected.';
  if (instance.kind === 'global') return OF_CONTROL_PLANE;
  if (!isReplicated(fleet, name))
    return `There is no replica: set REPLICA, see docs/replication.md. ${keyFor('backup.restore')} restores a backup.`;
  return denialReason(console, 'backups.restore') ?? missingTimes(pageOf(fleet, 'replicaTimes', name));
}

function missingTimes(page: PageState<ReplicaTimes> | null): string | null {
  const { value = null, error = null } = page ?? {};
  if (error !== null) return error;
  if (value === null) return 'The times of the replica are being read: try again in a moment.';
  return value.from === null ? 'The replica has nothing yet: try again in a moment.' : null;
}

function restoreForm({ name, email, usage }: Instance, backup: ListedBackup, now: number): Form {
  const age = longDuration(since(backup.created_at, now));
  return {
    ...RESTORE_FORM,
    purpose: { kind: 'restore-backup', name, backup },
    title: `Restore ${name}?`,
    about: [
      `${allDataOf(email, usage)} is replaced by the backup of ${stamp(backup.created_at, now)}, ${byteSize(backup.bytes)}.`,
      `What was written in the ${age} since then ${STAYS}`,
      CONSEQUENCES,
    ].join('\n'),
    command: `backups restore ${name} --backup ${backup.id}`,
    fields: [NAME_FIELD],
  };
}

function timeForm(
  { name, email, usage }: Instance,
  times: { from: string; to: string | null },
  now: number,
): Form {
  return {
    ...RESTORE_FORM,
    purpose: { kind: 'restore-time', name, times },
    title: `Restore ${name} to a time?`,
    about: [
      `Times from ${formatLocalTime(new Date(times.from))} ${endOf(times.to, now)}, in ${localZone()}. Those of more than six hours ago in steps of 30 seconds.`,
      `${allDataOf(email, usage)} is replaced by that of the time. Uploaded files come from the newest backup before it, and from now.`,
      `What was written since then ${STAYS}`,
      CONSEQUENCES,
    ].join('\n'),
    command: (form) => `backups restore ${name} --at ${isoOf(valueOf(form, 'time'), now) ?? 'TIME'}`,
    fields: [{ name: 'time', label: 'Time, like 14:05:30', value: '', kind: 'text' }, NAME_FIELD],
  };
}

function allDataOf(email: string | null, usage: Instance['usage']): string {
  const disk = usage?.disk_bytes ?? null;
  return `All data of ${email ?? 'its owner'}${disk === null ? '' : ` (${byteSize(disk)} on disk)`}`;
}

function endOf(to: string | null, now: number): string {
  if (to === null) return 'on, if they are replicated';
  return since(to, now) < LATE_MS ? 'until now' : `to ${formatLocalTime(new Date(to))}`;
}

/** Null for what is not a time. */
function isoOf(text: string, now: number): string | null {
  try {
    return parseLocalTime(text, new Date(now)).toISOString();
  } catch {
    return null;
  }
}
