import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FathomError } from '../../../shared/errors.ts';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import type { Logger } from '../../base/log/log.ts';
import { EndedRestores } from './ended-restores.ts';

function restoresIn(root: string) {
  const warnings: unknown[] = [];
  const log = { warn: (...words: unknown[]) => warnings.push(words) } as unknown as Logger;
  const restores = new EndedRestores({
    clock: new ManualTime(),
    log,
    catalog: { directoryOf: (database) => join(root, database) },
  });
  return { restores, warnings };
}

it('knows how the last restore ended, also for the next daemon', async () => {
  const root = await scratch();
  await mkdir(join(root, 'a'));
  const { restores } = restoresIn(root);
  expect(restores.of('a')).toBeNull();
  await restores.add('a', 'first', null);
  await restores.addFailed('a', 'second', new FathomError('not_found', 'there is no backup'));
  const expected = {
    backup: 'second',
    ended_at: '2024-01-15T10:00:00.000Z',
    problem: { code: 'not_found', detail: 'there is no backup' },
  };
  expect(restores.of('a')).toEqual(expected);
  expect(restoresIn(root).restores.of('a')).toEqual(expected);
  expect(restoresIn(root).restores.of('b')).toBeNull();
});

it('reports restores that did not fail', async () => {
  const root = await scratch();
  await mkdir(join(root, 'a'));
  const { restores } = restoresIn(root);
  const reported: string[][] = [];
  restores.onRestored((...restored) => {
    reported.push(restored);
    return Promise.resolve();
  });
  await restores.addFailed('a', 'first', new FathomError('not_found', 'there is no backup'));
  await restores.add('a', 'second', null);
  expect(reported).toEqual([['a', 'second']]);
});

it('keeps a result that cannot be stored until the end of the daemon', async () => {
  const { restores, warnings } = restoresIn(await scratch());
  await restores.add('gone', 'first', null);
  expect(restores.of('gone')).toMatchObject({ backup: 'first' });
  expect(warnings).toHaveLength(1);
});

it.each(['', '{}', '[1]', '{"backup": 7}'])('warns once about a damaged file: %j', async (content) => {
  const root = await scratch();
  await mkdir(join(root, 'a'));
  await writeFile(join(root, 'a', 'last-restore.json'), content);
  const { restores, warnings } = restoresIn(root);
  expect([restores.of('a'), restores.of('a')]).toEqual([null, null]);
  expect(warnings).toHaveLength(1);
  await restores.add('a', 'first', null);
  expect(JSON.parse(await readFile(join(root, 'a', 'last-restore.json'), 'utf8'))).toMatchObject({
    backup: 'first',
  });
});
