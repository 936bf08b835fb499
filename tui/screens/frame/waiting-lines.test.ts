import { expect, it } from 'vitest';
import { initialState } from '../../store/fleet/fleet-state.ts';
import { createThemes } from '../../theme.ts';
import type { View } from '../console.ts';
import { waitingLines } from './waiting-lines.ts';

const link = {
  kind: 'stale',
  since: 0,
  attempt: 1,
  next_attempt_at: null,
  reason: 'nobody listens',
} as const;

function textFor(address: string): string {
  const view = {
    fleet: { ...initialState(0), link },
    theme: createThemes('none').live,
    size: { columns: 120, rows: 30 },
  };
  return waitingLines(view as View, address).join('\n');
}

it.each(['/run/fathom/fathomd.sock', 'http://localhost:3000', 'http://127.0.0.1:3000', 'http://[::1]:3000'])(
  'shows how to start the daemon of this host: %s',
  (address) => {
    expect(textFor(address)).toContain('systemctl start fathomd');
  },
);

it('shows how to check a daemon on another host', () => {
  const text = textFor('https://fathom.example');
  expect(text).toContain('systemctl status fathomd');
  expect(text).not.toContain('systemctl start');
});
