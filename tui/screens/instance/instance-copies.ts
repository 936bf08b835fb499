import type { Instance } from '../../../shared/api/instances.ts';
import { type CopyChoice, copyChoices, rowText } from '../../store/copy/copy-choice.ts';
import { phaseText, reasonLine } from '../../store/text/reason.ts';

/** What an administrator takes elsewhere of one instance: into a browser, a ticket, a shell. */
export function instanceCopies(instance: Instance, now: number): CopyChoice[] {
  const { name, url, email, db_path, phase, port } = instance;
  const why = reasonLine(instance, now);
  return copyChoices(
    ['n', 'the name', name],
    ['u', 'the URL', url],
    ['o', 'the owner', email],
    ['w', 'the reason', fullReasonText(instance, now)],
    ['p', 'the data directory', db_path],
    ['r', 'the row', rowText([name, email, phaseText(phase), url ?? port, why])],
    ['v', 'all of it, as JSON', JSON.stringify(instance, null, 2)],
  );
}

/** The short form, then the sentence that says what to do, then the last lines that it printed. */
function fullReasonText(instance: Instance, now: number): string {
  const why = reasonLine(instance, now) ?? '';
  const message = instance.reason?.message ?? '';
  const parts = [why, why.includes(message) ? '' : message, ...(instance.reason?.log_tail ?? [])];
  return parts.filter((part) => part !== '').join('\n');
}
