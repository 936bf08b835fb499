import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../base/time/clock.ts';
import type { InstanceProcess, ProcessExit } from '../../pocketbase/process/process-driver.ts';
import { terminate } from './terminate.ts';

/** A shell in a new process group that prints when it is ready. */
async function shell(script: string): Promise<InstanceProcess> {
  const child = spawn('/bin/sh', ['-c', `${script}; echo ready; while :; do sleep 600 & wait; done`], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const pid = child.pid as number;
  const exited = Promise.withResolvers<ProcessExit>();
  child.once('exit', (code, signal) => exited.resolve({ code, signal }));
  await once(child.stdout, 'data');
  const signal = (name: NodeJS.Signals) => {
    try {
      return process.kill(-pid, name);
    } catch {
      return false;
    }
  };
  onTestFinished(() => {
    signal('SIGKILL');
  });
  return {
    pid,
    startTime: 0,
    sandbox: { level: 'full', reason: null },
    exited: exited.promise,
    signal,
    mayListen: () => Promise.resolve(true),
  };
}

const options = { clock: systemClock, graceMs: 20_000 };

it('a process that handles SIGTERM ends by itself', async () => {
  expect(await terminate(await shell("trap 'exit 3' TERM"), options)).toEqual({ code: 3, signal: null });
});

it('a stopped process is continued, so that it handles SIGTERM', async () => {
  const process = await shell("trap 'exit 3' TERM");
  process.signal('SIGSTOP');
  expect(await terminate(process, options)).toEqual({ code: 3, signal: null });
});

it('a process that ignores SIGTERM is killed after the grace period', async () => {
  const process = await shell("trap '' TERM");
  expect(await terminate(process, { ...options, graceMs: 20 })).toEqual({ code: null, signal: 'SIGKILL' });
});

it('returns the exit of a process that has already ended', async () => {
  const process = await shell("trap 'exit 3' TERM");
  process.signal('SIGKILL');
  await process.exited;
  expect(await terminate(process, options)).toEqual({ code: null, signal: 'SIGKILL' });
});
