import type { Instance } from '../../../shared/api/instances.ts';
import { reasonLine } from '../../store/text/reason.ts';
import { phaseLook } from '../../theme.ts';
import { paintWrapped, type Span } from '../../widgets/line.ts';
import type { Size, View } from '../console.ts';

/** Number of rows below a list for details of the selected row. */
export function detailRows({ columns, rows }: Size): number {
  if (rows < 15) return 1;
  return columns < 100 && rows > 18 ? 3 : 2;
}

/**
 * The rows of a list, and below them details of the selected row. Long details also use the empty rows at the end of the
 * list, because they say what to do.
 */
export function withDetail(
  { theme, size }: Pick<View, 'theme' | 'size'>,
  list: readonly string[],
  spans: readonly Span[],
): string[] {
  const below = detailRows(size);
  // One empty row stays between the list and the details.
  const free = Math.max(0, list.length - list.findLastIndex((row) => row !== '') - 2);
  const lines = paintWrapped(theme, spans, size.columns, below + free);
  const used = Math.max(below, lines.findLastIndex((line) => line !== '') + 1);
  return [...list.slice(0, list.length + below - used), ...lines.slice(0, used)];
}

/** The rows of a list, and below them the complete reason of the selected instance: its row only has room for a part. */
export function withInstanceDetail(
  view: Pick<View, 'fleet' | 'theme' | 'size'>,
  list: readonly string[],
  instance: Instance | undefined,
): string[] {
  if (instance === undefined) return withDetail(view, list, []);
  const why = reasonLine(instance, view.fleet.now);
  const { token } = phaseLook(instance.phase);
  const facts = [instance.email, instance.url].filter((fact) => fact !== null).join(' · ');
  if (why === null) return withDetail(view, list, [['muted', ` ${facts}`]]);
  // The reason of the row without cuts, then the message that says what to do.
  const message = instance.reason?.message ?? '';
  const more = message === '' || why.includes(message) ? '' : ` — ${message}`;
  return withDetail(view, list, [
    [token, ` ${why}`],
    ['plain', more],
  ]);
}
