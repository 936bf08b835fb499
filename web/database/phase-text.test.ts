import { expect, it } from 'vitest';
import { INSTANCE_PHASES } from '../../shared/instance.ts';
import { PHASE_REASON_CODES } from '../../shared/reasons.ts';
import { explainPhase } from './phase-text.ts';

it.each(INSTANCE_PHASES)('explains the phase %s', (phase) => {
  const { name, meaning, reason } = explainPhase({ phase, reason: null, desired: 'running' });
  expect([name, meaning]).toEqual([expect.stringMatching(/^[A-Z]/), expect.stringMatching(/\.$/)]);
  expect(reason).toBeNull();
});

it.each(PHASE_REASON_CODES)('explains the reason %s without commands and paths of the host', (code) => {
  const reason = { code, message: 'an administrator sees the cause' };
  const { reason: shown } = explainPhase({ phase: 'failed', reason, desired: 'running' });
  expect(shown?.remedy).toMatch(/\.$/);
  expect(`${shown?.cause} ${shown?.remedy}`).not.toMatch(/fathomd |dmesg|\/var|NAME/);
});
