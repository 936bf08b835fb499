import { expect, it } from 'vitest';
import { createLog } from './log.ts';
import { RecentLog } from './recent-log.ts';

it('keeps log lines with their fields, and redacts secrets', () => {
  const recent = new RecentLog();
  const output = { sinks: [], losses: () => ({ dropped: 0, problem: null }) };
  const log = createLog({ level: 'info', output, recent });
  log.debug('not at this level');
  log.warn({ instance: '2024-01-15-001-johndoe', ms: 12, token: 'hidden' }, 'is slow');
  log.error({ err: new Error('disk is full') }, 'a task failed');
  const [slow, failed] = recent.lines(10);
  expect(slow).toMatchObject({
    level: 'warn',
    text: 'is slow instance=2024-01-15-001-johndoe ms=12 token=[redacted]',
  });
  expect(Date.parse(slow?.at ?? '')).toBeGreaterThan(0);
  expect(failed).toMatchObject({ level: 'error', text: 'a task failed err="disk is full"' });
});

it('keeps the last 2,000 lines', () => {
  const recent = new RecentLog();
  for (let nth = 0; nth < 9_000; nth += 1) recent.write(`{"level":30,"time":"t","msg":"line ${nth}"}\n`);
  expect(recent.lines(5_000)).toHaveLength(2_000);
  expect(recent.lines(2).map(({ text }) => text)).toEqual(['line 8998', 'line 8999']);
});

it('cuts a line that is too long', () => {
  const recent = new RecentLog();
  recent.write(JSON.stringify({ level: 50, time: '2024-01-15T08:00:00.000Z', msg: 'x'.repeat(9_000) }));
  const [line] = recent.lines(1);
  expect(line).toMatchObject({ level: 'error', at: '2024-01-15T08:00:00.000Z' });
  expect(line?.text.length).toBe(4_000);
});
