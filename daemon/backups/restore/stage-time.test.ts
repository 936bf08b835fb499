import { expect, it } from 'vitest';
import { chooseBackupBefore } from './stage-time.ts';

const backup = (created_at: string, damaged = false) => ({ id: created_at, created_at, damaged });

it('chooses the newest backup before a time that is not damaged', () => {
  const backups = [
    backup('2026-11-27T15:00:00.000Z'),
    backup('2026-11-27T14:00:00.000Z', true),
    backup('2026-11-27T13:00:00.000Z'),
    backup('2026-11-26T13:00:00.000Z'),
  ];
  const chosen = (at: string) => chooseBackupBefore(backups, new Date(at))?.id ?? null;
  expect(chosen('2026-11-27T14:05:30Z')).toBe('2026-11-27T13:00:00.000Z');
  expect(chosen('2026-11-27T15:00:00Z')).toBe('2026-11-27T15:00:00.000Z');
  expect(chosen('2026-11-26T00:00:00Z')).toBeNull();
});
