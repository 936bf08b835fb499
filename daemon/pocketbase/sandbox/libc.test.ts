import { expect, it, onTestFinished } from 'vitest';
import { until } from '../../../test/helpers/until.ts';
import { loadLibc } from './libc.ts';

const POLL = 7;
const SETITIMER = 38;
const ITIMER_REAL = 0;

it('makes a system call again that a signal has interrupted', async ({ skip }) => {
  const libc = await loadLibc();
  if ('problem' in libc) return skip(libc.problem);
  let signals = 0;
  const onSignal = () => {
    signals += 1;
  };
  process.on('SIGALRM', onSignal);
  onTestFinished(() => void process.off('SIGALRM', onSignal));
  // In 20 ms, once: `struct itimerval`.
  const timer = Buffer.alloc(32);
  timer.writeBigInt64LE(20_000n, 24);
  expect(libc.syscall(SETITIMER, ITIMER_REAL, libc.addressOf(timer), 0)).toBe(0);
  // Waits for no file, which ends after its time with 0.
  expect(libc.syscall(POLL, 0, 0, 200)).toBe(0);
  await until(() => signals === 1, { what: 'the signal' });
});
