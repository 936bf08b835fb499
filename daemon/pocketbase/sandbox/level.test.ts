import { describe, expect, it } from 'vitest';
import { textWith } from '../../../test/helpers/text-with.ts';
import { bestSandbox, chooseSandbox, type HostSupport } from './level.ts';
import { processorProblem } from './libc.ts';

const HOST: HostSupport = { libcProblem: null, landlock: 7, landlockProblem: null, seccompProblem: null };

describe('the best sandbox of a host', () => {
  it.each([
    ['everything', {}, 'full'],
    ['Landlock without signals', { landlock: 5 }, 'files'],
    ['Landlock without ports', { landlock: 2 }, 'files'],
    ['Landlock that cannot move files', { landlock: 1 }, 'syscalls'],
    ['no Landlock', { landlock: 0, landlockProblem: 'EOPNOTSUPP' }, 'syscalls'],
    ['no seccomp', { seccompProblem: 'seccomp EPERM' }, 'none'],
    ['no system calls', { libcProblem: 'no koffi' }, 'none'],
  ] as const)('%s', (_name, changes, level) => {
    const sandbox = bestSandbox({ ...HOST, ...changes }, 'program');
    expect(sandbox.level).toBe(level);
    expect(sandbox.reason === null).toBe(level === 'full');
  });

  it('is none on other processors, with the reason', () => {
    expect(processorProblem('x64')).toBeNull();
    const host = { ...HOST, libcProblem: processorProblem('arm64') };
    expect(bestSandbox(host, 'program')).toEqual({ level: 'none', reason: textWith('arm64') });
    expect(chooseSandbox('full', host, 'program')).toEqual({ unavailable: textWith('full', 'arm64') });
    expect(chooseSandbox('off', host, 'program')).toMatchObject({ level: 'none' });
  });

  it('leaves a script its files, because it may run any program', () => {
    const { level, reason } = bestSandbox(HOST, 'script');
    expect(level).toBe('syscalls');
    // The executable of a pinned version is not named by PB_BINARY_PATH.
    expect(reason).not.toContain('PB_BINARY_PATH');
  });
});

describe('PB_SANDBOX', () => {
  it('as a level is a requirement', () => {
    expect(chooseSandbox('full', HOST, 'program')).toEqual({ level: 'full', reason: null });
    expect(chooseSandbox('full', { ...HOST, landlock: 3 }, 'program')).toHaveProperty('unavailable');
    expect(chooseSandbox('files', { ...HOST, landlock: 3 }, 'program')).toMatchObject({ level: 'files' });
    expect(chooseSandbox('files', HOST, 'script')).toHaveProperty('unavailable');
  });

  it('selects a lower level than the host offers', () => {
    expect(chooseSandbox('syscalls', HOST, 'program')).toMatchObject({ level: 'syscalls' });
    expect(chooseSandbox('off', HOST, 'program')).toMatchObject({ level: 'none' });
  });

  it('auto takes what the host offers', () => {
    expect(chooseSandbox('auto', { ...HOST, landlock: 0 }, 'program')).toMatchObject({ level: 'syscalls' });
  });
});
