import type { Instance } from '../../shared/instance.ts';
import { whyLine } from '../store/why.ts';
import { phaseLook } from '../theme.ts';
import { paintLine } from '../widgets/line.ts';
import type { View } from './screen.ts';

/** The whole story of one instance; a row has room for its short form only. */
export function chosenLine(
  { fleet, theme, size }: Pick<View, 'fleet' | 'theme' | 'size'>,
  instance: Instance | undefined,
): string {
  if (instance === undefined) return '';
  const why = whyLine(instance, fleet.now);
  const { token } = phaseLook(instance.phase);
  const facts = [instance.email, instance.url].filter((fact) => fact !== null).join(' · ');
  if (why === null) return paintLine(theme, [['muted', ` ${facts}`]], size.columns);
  // The short form first, whole where the row had to cut it; then the sentence that says what to do.
  const message = instance.reason?.message ?? '';
  const more = message === '' || why.includes(message) ? '' : ` — ${message}`;
  return paintLine(
    theme,
    [
      [token, ` ${why}`],
      ['plain', more],
    ],
    size.columns,
  );
}
