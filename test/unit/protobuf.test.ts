import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { scratch } from '../helpers/scratch.ts';
import { textWith } from '../helpers/text-with.ts';

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

it('the declarations pass the linter of buf', async () => {
  await execa('buf', ['lint'], { cwd: ROOT, preferLocal: true });
});

/** Runs `buf breaking` on the declarations in a directory. */
const compare = (cwd: string) =>
  execa('buf', ['breaking', '--against', join(ROOT, 'test/fixtures/released-protobuf.binpb')], {
    cwd,
    localDir: ROOT,
    preferLocal: true,
    reject: false,
  });

describe('the declarations can be read with those of the last release', () => {
  it('as they are', async () => {
    expect((await compare(ROOT)).stdout).toBe('');
  });

  it.each([
    ['fathom/v1/stream.proto', 'int64 seq = 2;', 'int64 seq = 99;'],
    ['fathom/work/v1/messages.proto', 'WORK_ITEM_TYPE_TASK = 4;', ''],
    ['fathom/v1/stream.proto', 'optional double pss_bytes = 2;', 'optional string pss_bytes = 2;'],
  ])('but not after a change of %s: %s', async (file, from, to) => {
    const changed = await scratch();
    await cp(join(ROOT, 'proto'), join(changed, 'proto'), { recursive: true });
    await cp(join(ROOT, 'buf.yaml'), join(changed, 'buf.yaml'));
    const path = join(changed, 'proto', file);
    const text = await readFile(path, 'utf8');
    expect(text).toContain(from);
    await writeFile(path, text.replace(from, to));
    expect(await compare(changed)).toMatchObject({ exitCode: 100, stdout: textWith(file) });
  });
});
