import { expect, it } from 'vitest';
import { checkAlerts } from './alert-checks.ts';

const webhook = { channel: 'webhook', sent_at: null, waiting: 0, problem: null } as const;
const heartbeat = { sent_at: null, withheld: null, problem: null };

it.each([
  [null, []],
  [{ channels: [], open: 0, state_problem: null, heartbeat: null }, []],
  [{ channels: [webhook], open: 3, state_problem: null, heartbeat }, ['ok', 'ok']],
  [
    {
      channels: [webhook],
      open: 3,
      state_problem: null,
      heartbeat: { ...heartbeat, withheld: 'the disk is full' },
    },
    ['ok', 'ok'],
  ],
  [{ channels: [webhook], open: 0, state_problem: 'EISDIR', heartbeat }, ['warning']],
  [
    { channels: [{ ...webhook, waiting: 2, problem: 'no answer' }], open: 3, state_problem: null, heartbeat },
    ['warning'],
  ],
  [
    {
      channels: [{ ...webhook, waiting: 2, problem: 'no answer' }],
      open: 0,
      state_problem: null,
      heartbeat: { ...heartbeat, problem: 'no answer' },
    },
    ['warning', 'warning'],
  ],
])('finds deliveries that fail: %o', (status, levels) => {
  expect(checkAlerts(status).map(({ level }) => level)).toEqual(levels);
});

it('says what was not sent since the start', () => {
  const sent = {
    channel: 'command',
    sent_at: '2026-01-15T10:00:00.000Z',
    waiting: 0,
    problem: null,
  } as const;
  const found = checkAlerts({ channels: [webhook, sent], open: 0, state_problem: null, heartbeat }).map(
    ({ summary }) => summary,
  );
  expect(found).toEqual([
    'alerts are delivered: command',
    "no alert was sent since the start of the daemon: webhook; 'fathomd alerts test' tries each channel",
    'no heartbeat was sent since the start of the daemon',
  ]);
});
