import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AlertStore, type Stored } from './alert-store.ts';
import { EMPTY_STATE } from './decide-alert.ts';

const empty: Stored = { version: 1, state: EMPTY_STATE, outbox: [] };
let directory: string;
let file: string;
let lines: string[];
let store: AlertStore;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fathom-alerts-'));
  file = join(directory, 'alerts.json');
  lines = [];
  const write = (line: string) => lines.push((JSON.parse(line) as { msg: string }).msg);
  store = new AlertStore(file, pino({}, { write }));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

it('reads what it wrote', async () => {
  expect(await store.load()).toEqual(empty);
  await store.store(empty);
  expect(await store.load()).toEqual(empty);
  expect(lines).toEqual([]);
});

it.each([
  ['', 'Unexpected end of JSON input'],
  ['{"version":\n2}', 'version: '],
  ['{"version":1,"state":\n7,"outbox":"x"}', 'state: '],
  ['not\n\nJSON', 'is not valid JSON'],
])('keeps a file that cannot be read aside, and logs one line: %j', async (text, cause) => {
  await writeFile(file, text);
  expect(await store.load()).toEqual(empty);
  await store.store(empty);
  expect(await readFile(`${file}.unreadable`, 'utf8')).toBe(text);
  expect(lines).toEqual([expect.stringContaining(cause)]);
  expect(lines.join()).not.toContain('\n');
});

it('warns once while the file cannot be written, and says when it can be', async () => {
  await store.store(empty);
  await rm(file);
  await mkdir(join(file, 'entry'), { recursive: true });
  const changed: Stored = { ...empty, state: { ...EMPTY_STATE, lastAlertMs: 1 } };
  await store.store(changed);
  await store.store(changed);
  expect(store.problem).toContain('EISDIR');
  expect(lines).toEqual([expect.stringContaining('cannot be written: EISDIR')]);
  await rm(file, { recursive: true });
  await store.store(empty);
  expect(store.problem).toBeNull();
  expect(lines.slice(1)).toEqual(['the state of alerts is written again']);
});
