import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { COMMANDS } from '../../daemon/cli/commands.ts';
import { cliDocument } from '../../scripts/cli-document.ts';

const ROOT = join(import.meta.dirname, '../..');

const files = [
  'README.md',
  'CONTRIBUTING.md',
  '.env.sample',
  // Without the examples in docs/contributing, whose commands do not exist.
  ...filesBelow('docs', /^(?!contributing\/).*\.(?:md|conf|yml)$/),
  ...['daemon', 'shared', 'tui', 'pb_hooks', 'pb_migrations', 'systemd'].flatMap((folder) =>
    filesBelow(folder, /(?<!\.test)\.(?:tsx?|js|service|socket)$|command$/),
  ),
];

function filesBelow(folder: string, name: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => name.test(path))
    .map((path) => join(folder, path));
}

const text = new Map(files.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]));

it('docs/cli.md describes the commands; `npm run docs:cli` writes it', () => {
  expect(text.get('docs/cli.md')).toBe(cliDocument());
});

it('no text recommends npx, which would install a foreign package of that name', () => {
  expect(files.length).toBeGreaterThan(200);
  expect(files.filter((file) => /\bnpx (?:-\S+ )*fathom/.test(text.get(file) ?? ''))).toEqual([]);
});

it('every command that a message or a document names is one', () => {
  const known = new Set(COMMANDS.flatMap(({ words }) => [words[0], words.join(' ')]));
  const grouped = new Set(COMMANDS.flatMap(({ words }) => (words.length === 2 ? [words[0]] : [])));
  // Quoted, in code, or at the begin of a line of a shell.
  const named = /(?:['`]|^)(?:bin\/)?fathomd ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?/gm;
  const found = [...text].flatMap(([file, words]) =>
    [...words.matchAll(named)].map(([, first = '', second]) => ({
      file,
      command: grouped.has(first) && second !== undefined ? `${first} ${second}` : first,
    })),
  );
  expect(found.length).toBeGreaterThan(80);
  expect(found.filter(({ command }) => !known.has(command))).toEqual([]);
});
