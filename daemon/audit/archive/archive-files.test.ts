import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import type { AuditRow } from '../../../shared/hooks/control-plane-routes.ts';
import { ArchiveFiles } from './archive-files.ts';

let root: string;
let files: ArchiveFiles;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fathom-archive-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  files = new ArchiveFiles(join(root, 'audit'));
});

const row = (seq: number, at = '2026-01-15T08:00:00.000Z'): AuditRow => ({
  seq,
  at,
  actor_kind: 'local',
  actor: '',
  address: 'local',
  action: 'x',
  target: 'ä"\n',
  outcome: 'ok',
  detail: '',
  request_id: '',
  previous: '',
  hash: '',
});

async function numbers(): Promise<(number | null)[]> {
  const found: (number | null)[] = [];
  for (const file of await files.list()) {
    for await (const line of files.lines(file)) found.push(line.row?.seq ?? null);
  }
  return found;
}

it('has no file at first, and reads what it has written', async () => {
  expect(await files.list()).toEqual([]);
  const first = await files.append(null, [row(1), row(2)]);
  expect(await files.append(first, [row(3)])).toEqual(first);
  expect(await numbers()).toEqual([1, 2, 3]);
  expect(statSync(first.path).mode & 0o777).toBe(0o600);
});

it('begins a file with each month, in the order of the rows also with a clock that was wrong', async () => {
  let last = await files.append(null, [row(9)]);
  last = await files.append(last, [row(10, '2099-12-01T00:00:00.000Z')]);
  last = await files.append(last, [row(11, '2026-02-01T00:00:00.000Z')]);
  await files.append(last, [row(12, 'no time')]);
  expect((await files.list()).map(({ name }) => name)).toEqual([
    '000000000009-2026-01.jsonl',
    '000000000010-2099-12.jsonl',
    '000000000011-2026-02.jsonl',
    '000000000012-0000-00.jsonl',
  ]);
  expect(await numbers()).toEqual([9, 10, 11, 12]);
});

it('recognizes lines that are no rows, and bounds their length', async () => {
  const file = await files.append(null, [row(1)]);
  const good = JSON.stringify(row(2));
  const long = 'x'.repeat(200_000);
  const lines = [
    '',
    '[]',
    'null',
    '{"seq":1}',
    good.replace('"seq":2', '"seq":"2"'),
    long,
    good,
    good.slice(0, 40),
  ];
  writeFileSync(file.path, lines.join('\n'));
  expect(await numbers()).toEqual([null, null, null, null, null, null, 2, null]);
});

it('ignores other files', async () => {
  await files.append(null, [row(1)]);
  writeFileSync(join(root, 'audit', '000000000001-2026-01.jsonl.bak'), 'x');
  writeFileSync(join(root, 'audit', 'notes.txt'), 'x');
  expect(await numbers()).toEqual([1]);
  expect(readdirSync(join(root, 'audit'))).toHaveLength(3);
});
