import type { Instance } from '../../../shared/api/instances.ts';
import { COPY_KEYS } from '../../keys/bindings.ts';
import { type CopyChoice, copyChoices, rowText } from '../../store/copy/copy-choice.ts';
import { phaseText, reasonLine } from '../../store/text/reason.ts';

/** What an administrator copies from an instance into a browser, a ticket or a shell. */
export function instanceCopies(instance: Instance, now: number): CopyChoice[] {
  const { name, url, email, db_path, phase, port } = instance;
  const why = reasonLine(instance, now);
  return copyChoices(
    [COPY_KEYS.name, 'the name', name],
    [COPY_KEYS.url, 'the URL', url],
    [COPY_KEYS.owner, 'the owner', email],
    [COPY_KEYS.reason, 'the reason', fullReasonText(instance, now)],
    [COPY_KEYS.directory, 'the data directory', db_path],
    [COPY_KEYS.row, 'the row', rowText([name, email, phaseText(phase), url ?? port, why])],
    [COPY_KEYS.json, 'all fields as JSON', JSON.stringify(instance, null, 2)],
  );
}

/** The reason of the row, the message that says what to do, and the last lines of output. */
function fullReasonText(instance: Instance, now: number): string {
  const why = reasonLine(instance, now) ?? '';
  const message = instance.reason?.message ?? '';
  const parts = [why, why.includes(message) ? '' : message, ...(instance.reason?.log_tail ?? [])];
  return parts.filter((part) => part !== '').join('\n');
}
