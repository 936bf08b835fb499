import { expect, it } from 'vitest';
import { checkAlerts } from './alert-checks.ts';

const webhook = { channel: 'webhook', sent_at: null, waiting: 0, problem: null } as const;
const heartbeat = { sent_at: null, withheld: null, problem: null };

it.each([
  [null, []],
  [{ channels: [], open: 0, heartbeat: null }, []],
  [{ channels: [webhook], open: 3, heartbeat }, ['ok']],
  [{ channels: [webhook], open: 3, heartbeat: { ...heartbeat, withheld: 'the disk is full' } }, ['ok']],
  [{ channels: [{ ...webhook, waiting: 2, problem: 'no answer' }], open: 3, heartbeat }, ['warning']],
  [
    {
      channels: [{ ...webhook, waiting: 2, problem: 'no answer' }],
      open: 0,
      heartbeat: { ...heartbeat, problem: 'no answer' },
    },
    ['warning', 'warning'],
  ],
])('finds deliveries that fail: %o', (status, levels) => {
  expect(checkAlerts(status).map(({ level }) => level)).toEqual(levels);
});
