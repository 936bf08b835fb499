import type { InstancePhase } from '../../shared/instance.ts';
import { phaseText } from '../store/text/reason.ts';
import { phaseLook } from '../theme.ts';
import type { Span } from './line.ts';

// Running first, then phases that need attention, then the others: the end may be cut.
const ORDER: readonly InstancePhase[] = [
  'running',
  'failed',
  'unresponsive',
  'backing_off',
  'starting',
  'queued',
  'waking',
  'stopping',
  'asleep',
  'stopped',
];

/** The number of instances in each phase, without zeros: `  ● 42 running  ✗ 1 failed`. */
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
