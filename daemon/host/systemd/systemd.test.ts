import { expect, it } from 'vitest';
import { inheritedSocket } from './activation.ts';
import { parseJob } from './pending-job.ts';
import { statusLine } from './status-line.ts';

it('accepts a socket only when it was opened for this process', () => {
  expect(inheritedSocket({ LISTEN_PID: '7', LISTEN_FDS: '1' }, 7)).toBe(3);
  expect(inheritedSocket({ LISTEN_PID: '6', LISTEN_FDS: '1' }, 7)).toBeNull();
  expect(inheritedSocket({ LISTEN_PID: '7', LISTEN_FDS: '0' }, 7)).toBeNull();
  expect(inheritedSocket({}, 7)).toBeNull();
});

it('finds the job of a unit among others', () => {
  const text = ' 7 fathomd.socket stop waiting\n12 fathomd.service  restart running\n';
  expect(parseJob('fathomd.service', text)).toBe('restart');
  expect(parseJob('fathomd.socket', text)).toBe('stop');
  expect(parseJob('fathomd.service', 'No jobs running.\n')).toBeNull();
});

it('counts the instances that are not running', () => {
  const none = {
    stopped: 0,
    queued: 0,
    starting: 0,
    running: 0,
    unresponsive: 0,
    backing_off: 0,
    stopping: 0,
    asleep: 0,
    waking: 0,
    failed: 0,
  };
  expect(statusLine({ ...none, running: 3 })).toBe('3 of 3 instances running');
  expect(statusLine({ ...none, running: 3, failed: 1, backing_off: 2 })).toBe(
    '3 of 6 instances running; 1 failed; 2 backing off',
  );
});
