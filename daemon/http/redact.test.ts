import { expect, it } from 'vitest';
import type { PhaseReason } from '../../shared/api/instances.ts';
import type { Caller } from './caller.ts';
import { redactReason } from './redact.ts';

const LOCAL: Caller = { kind: 'local' };

const shownTo = (caller: Caller | null, code: PhaseReason['code']) =>
  redactReason(caller, { code, message: 'of /srv/fathom', log_tail: ['/srv/fathom'] });

it('shows owners the code of a reason, and the message only where it says nothing about the host', () => {
  for (const code of ['exited', 'host_memory', 'awake_limit'] as const) {
    const shown = shownTo(null, code);
    expect(shown?.code).toBe(code);
    expect(JSON.stringify(shown)).not.toContain('/srv/fathom');
  }
  for (const code of ['requested', 'idle'] as const)
    expect(shownTo(null, code)?.message).toBe('of /srv/fathom');
  expect(redactReason(null, null)).toBeNull();
});

it('shows operators everything', () => {
  expect(shownTo(LOCAL, 'exited')).toMatchObject({ message: 'of /srv/fathom', log_tail: ['/srv/fathom'] });
});
