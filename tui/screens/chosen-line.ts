import type { Instance } from '../../shared/instance.ts';
import { whyLine } from '../store/why.ts';
import { phaseLook } from '../theme.ts';
import { paintWrapped, type Span } from '../widgets/line.ts';
import type { Size, View } from './screen.ts';

/** Rows below a list for all that is to be said about the chosen one. */
export function detailRows({ columns, rows }: Size): number {
  if (rows < 15) return 1;
  return columns < 100 && rows > 18 ? 3 : 2;
}

export function detailLines({ theme, size }: Pick<View, 'theme' | 'size'>, spans: readonly Span[]): string[] {
  return paintWrapped(theme, spans, size.columns, detailRows(size));
}

/** The whole story of one instance; a row has room for its short form only. */
export function chosenLines(
  view: Pick<View, 'fleet' | 'theme' | 'size'>,
  instance: Instance | undefined,
): string[] {
  if (instance === undefined) return detailLines(view, []);
  const why = whyLine(instance, view.fleet.now);
  const { token } = phaseLook(instance.phase);
  const facts = [instance.email, instance.url].filter((fact) => fact !== null).join(' · ');
  if (why === null) return detailLines(view, [['muted', ` ${facts}`]]);
  // The short form first, whole where the row had to cut it; then the sentence that says what to do.
  const message = instance.reason?.message ?? '';
  const more = message === '' || why.includes(message) ? '' : ` — ${message}`;
  return detailLines(view, [
    [token, ` ${why}`],
    ['plain', more],
  ]);
}
