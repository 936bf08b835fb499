import { expect, it } from 'vitest';
import { inheritedSocket } from './activation.ts';
import { jobOf } from './pending-job.ts';
import { statusLine } from './status-line.ts';

it('a socket is taken only when it was opened for this very process', () => {
  expect(inheritedSocket({ LISTEN_PID: '7', LISTEN_FDS: '1' }, 7)).toBe(3);
  expect(inheritedSocket({ LISTEN_PID: '6', LISTEN_FDS: '1' }, 7)).toBeNull();
  expect(inheritedSocket({ LISTEN_PID: '7', LISTEN_FDS: '0' }, 7)).toBeNull();
  expect(inheritedSocket({}, 7)).toBeNull();
});

it('the job of a unit is found among others', () => {
  const text = ' 7 fathomd.socket stop waiting\n12 fathomd.service  restart running\n';
  expect(jobOf('fathomd.service', text)).toBe('restart');
  expect(jobOf('fathomd.socket', text)).toBe('stop');
  expect(jobOf('fathomd.service', 'No jobs running.\n')).toBeNull();
});

it('the status names what does not run', () => {
  const none = {
    stopped: 0,
    queued: 0,
    starting: 0,
    running: 0,
    unresponsive: 0,
    backing_off: 0,
    stopping: 0,
    failed: 0,
  };
  expect(statusLine({ ...none, running: 3 })).toBe('3 of 3 instances run');
  expect(statusLine({ ...none, running: 3, failed: 1, backing_off: 2 })).toBe(
    '3 of 6 instances run; 1 failed; 2 backing off',
  );
});
