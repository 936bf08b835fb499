import { expect, it } from 'vitest';
import type { DatabaseBackups } from '../../shared/api/backups.ts';
import type { PhaseReason } from '../../shared/api/instances.ts';
import type { Caller } from './caller.ts';
import { redactBackups, redactReason } from './redact.ts';

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

const AT = '2026-01-15T02:00:00.000Z';

function failedBackups(code: 'backup.failed' | 'conflict'): DatabaseBackups {
  const message = 'of /srv/fathom';
  return {
    database: '2026-01-15-001-johndoe',
    last: null,
    confirmed_at: null,
    late: false,
    running: false,
    failure: { reason: 'target_away', message, remedy: 'see BACKUP_TARGET', since: AT },
    retry_at: null,
    restore: null,
    last_restore: { backup: 'latest', ended_at: AT, problem: { code, detail: message } },
    drilling: null,
    drill: { backup: 'latest', at: AT, problem: message },
    proven: null,
  };
}

it('shows owners that backups, drills and restores failed, and what says nothing about the host', () => {
  const shown = redactBackups(null, failedBackups('backup.failed'));
  expect(shown).toMatchObject({
    failure: { reason: 'target_away' },
    drill: { problem: expect.any(String) },
    last_restore: { problem: { code: 'backup.failed', detail: expect.any(String) } },
  });
  expect(JSON.stringify(shown)).not.toMatch(/srv|BACKUP_TARGET/);
  const conflict = redactBackups(null, failedBackups('conflict'));
  expect(conflict.last_restore?.problem?.detail).toBe('of /srv/fathom');
  expect(redactBackups(LOCAL, failedBackups('conflict'))).toEqual(failedBackups('conflict'));
});
