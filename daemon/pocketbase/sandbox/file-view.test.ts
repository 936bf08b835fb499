import { mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { hostPaths, linkedDirectories, parseProgram, readProgram } from './file-view.ts';

it('tells a static program, one with a dynamic linker, and a script apart', () => {
  expect(readProgram(process.execPath)).toEqual({
    kind: 'program',
    interpreter: expect.stringContaining('/ld-linux') as string,
  });
  expect(parseProgram(Buffer.from('#!/bin/sh\n'))).toEqual({ kind: 'script', interpreter: null });
  expect(parseProgram(Buffer.alloc(0))).toEqual({ kind: 'script', interpreter: null });
});

it('shows the directory in which a new resolv.conf appears', () => {
  const resolver = { path: '/run/systemd/resolve', access: 'read' };
  expect(hostPaths('/run/systemd/resolve/stub-resolv.conf')).toContainEqual(resolver);
  expect(hostPaths('/etc/resolv.conf')).not.toContainEqual({ path: '/etc', access: 'read' });
});

it('follows a link to another disk, but none into the fleet or the system', async () => {
  const fleet = await scratch();
  const disk = await scratch();
  const view = async (target: string, name = 'storage') => {
    const dataDir = join(fleet, String(Math.random()));
    await mkdir(dataDir);
    await symlink(target, join(dataDir, name));
    return linkedDirectories({ dataDir, fleetDirectories: [fleet] });
  };
  expect(await view(disk)).toEqual([disk]);
  expect(await view(disk, 'other')).toEqual([]);
  expect(await view(fleet)).toEqual([]);
  expect(await view(join(fleet, '..'))).toEqual([]);
  expect(await view('/etc/ssl')).toEqual([]);
  expect(await view('/')).toEqual([]);
});
