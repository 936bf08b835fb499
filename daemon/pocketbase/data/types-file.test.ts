import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { shortenTypesFile } from './types-file.ts';

const FIRST_LINE = '// 1234567890';

it('keeps the first line of a file of any size', async () => {
  const dataDir = await scratch();
  const path = join(dataDir, 'types.d.ts');
  writeFileSync(path, `${FIRST_LINE}\n`);
  truncateSync(path, 2 ** 40);
  expect(shortenTypesFile(dataDir)).toBe(true);
  expect(readFileSync(path, 'utf8').split('\n')[0]).toBe(FIRST_LINE);
  expect(shortenTypesFile(dataDir)).toBe(false);
});

it('leaves links alone, and writes through none', async () => {
  const [dataDir, other] = [await scratch(), join(await scratch(), 'file')];
  writeFileSync(other, `${FIRST_LINE}\n${'x'.repeat(2_000)}`);
  const before = readFileSync(other, 'utf8');
  symlinkSync(other, join(dataDir, 'types.d.ts'));
  expect(shortenTypesFile(dataDir)).toBe(false);
  const second = await scratch();
  writeFileSync(join(second, 'types.d.ts'), before);
  symlinkSync(other, join(second, '.types.d.ts.new'));
  expect(shortenTypesFile(second)).toBe(true);
  expect(lstatSync(join(second, 'types.d.ts')).isFile()).toBe(true);
  expect(readFileSync(other, 'utf8')).toBe(before);
});

it('does not wait for a named pipe', async () => {
  const dataDir = await scratch();
  writeFileSync(join(dataDir, 'types.d.ts'), `${FIRST_LINE}\n${'x'.repeat(2_000)}`);
  execFileSync('mkfifo', [join(dataDir, '.types.d.ts.new')]);
  expect(shortenTypesFile(dataDir)).toBe(true);
});
