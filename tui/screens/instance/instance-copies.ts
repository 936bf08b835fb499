import type { Instance } from '../../../shared/instance.ts';
import { type CopyChoice, copyChoices, rowText } from '../../store/copy/copy-choice.ts';
import { phaseWord, whyLine } from '../../store/words/why.ts';

/** What an administrator takes elsewhere of one instance: into a browser, a ticket, a shell. */
export function instanceCopies(instance: Instance, now: number): CopyChoice[] {
  const { name, url, email, db_path, phase, port } = instance;
  const why = whyLine(instance, now);
  return copyChoices(
    ['n', 'the name', name],
    ['u', 'the URL', url],
    ['o', 'the owner', email],
    ['w', 'the reason', reasonText(instance, now)],
    ['p', 'the data directory', db_path],
    ['r', 'the row', rowText([name, email, phaseWord(phase), url ?? port, why])],
    ['v', 'all of it, as JSON', JSON.stringify(instance, null, 2)],
  );
}

/** The short form, then the sentence that says what to do, then the last lines that it printed. */
function reasonText(instance: Instance, now: number): string {
  const why = whyLine(instance, now) ?? '';
  const message = instance.reason?.message ?? '';
  const parts = [why, why.includes(message) ? '' : message, ...(instance.reason?.log_tail ?? [])];
  return parts.filter((part) => part !== '').join('\n');
}
