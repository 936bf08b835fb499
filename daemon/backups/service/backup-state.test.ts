import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import pino from 'pino';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { BackupState } from './backup-state.ts';

const log = pino({ level: 'silent' });

it('writes the results of many databases together, and all of them at the end', async () => {
  const path = join(await scratch(), 'backup-state.json');
  const state = await BackupState.read(path, '/target', log);
  state.updateTarget('id', 'keys');
  state.update('large', { stamp: 'x'.repeat(200_000) });
  await state.settled();
  const files = new Set<number>();
  for (let n = 0; n < 50; n += 1) {
    state.update(`database-${n}`, { stamp: String(n) });
    files.add((await stat(path)).ino);
  }
  // Each write replaces the file.
  expect(files.size).toBeLessThan(5);
  await state.settled();
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
    databases: { 'database-49': { stamp: '49' } },
  });
});

it('keeps the list of damaged backups when another target is accepted', async () => {
  const state = await BackupState.read(join(await scratch(), 'backup-state.json'), '/target', log);
  state.update('ann', { stamp: 'a', damaged: ['one'] });
  state.update('beth', { stamp: 'b' });
  state.forgetTarget();
  await state.settled();
  expect(state.of('ann')).toMatchObject({ stamp: null, damaged: ['one'] });
  expect(state.of('beth')).toMatchObject({ stamp: null, damaged: [] });
});
