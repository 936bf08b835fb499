import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import { scratch } from '../helpers/scratch.ts';

const ROOT = join(import.meta.dirname, '..', '..');

const files = (directory: string) => readdir(directory, { recursive: true });

it('the code of protobuf is that of the declarations', async () => {
  const out = await scratch();
  await execa('buf', ['generate', '--output', out], { cwd: ROOT, preferLocal: true });
  const generated = join(out, 'shared/proto');
  const kept = join(ROOT, 'shared/proto');
  expect((await files(kept)).toSorted()).toEqual((await files(generated)).toSorted());
  for (const file of (await files(kept)).filter((name) => /\.(js|d\.ts)$/.test(name)))
    expect(await readFile(join(kept, file), 'utf8')).toBe(await readFile(join(generated, file), 'utf8'));
});
