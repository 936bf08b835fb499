import type { InstancePhase } from '../../shared/instance.ts';
import { phaseText } from '../store/text/reason.ts';
import { phaseLook } from '../theme.ts';
import type { Span } from './line.ts';

// What runs, then what needs a person, then what is on its way: whatever has to be cut matters least.
const ORDER: readonly InstancePhase[] = [
  'running',
  'failed',
  'unresponsive',
  'backing_off',
  'starting',
  'queued',
  'stopping',
  'stopped',
];

/** `  ● 42 running  ✗ 1 failed`, without the phases that nobody is in. */
export function phaseCounts(counts: Readonly<Record<InstancePhase, number>>): Span[] {
  return ORDER.filter((phase) => counts[phase] > 0).flatMap((phase): Span[] => {
    const { glyph, token } = phaseLook(phase);
    return [
      ['plain', '  '],
      [token, `${glyph} ${counts[phase]} ${phaseText(phase)}`],
    ];
  });
}

/** `● running` */
export function phaseSpan(phase: InstancePhase): Span {
  const { glyph, token } = phaseLook(phase);
  return [token, `${glyph} ${phaseText(phase)}`];
}
