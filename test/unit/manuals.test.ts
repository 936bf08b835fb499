import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../daemon/cli/commands.ts';
import { consoleManual, daemonManual } from '../../scripts/manuals.ts';

const ROOT = join(import.meta.dirname, '../..');

const isInstalled = (program: string) =>
  spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
const hasMandoc = isInstalled('mandoc');
const hasGroff = isInstalled('groff');
if (!hasMandoc) console.log('SKIPPED mandoc -T lint of the manual pages: mandoc is not installed');
if (!hasGroff) console.log('SKIPPED groff -ww of the manual pages: groff is not installed');

describe.each([
  ['man/fathomd.8', daemonManual],
  ['man/fathom-tui.1', consoleManual],
])('%s', (file, write) => {
  const path = join(ROOT, file);

  it('describes the program; `npm run docs:cli` writes it', () => {
    expect(readFileSync(path, 'utf8')).toBe(write());
  });

  it.skipIf(!hasMandoc)('is correct for mandoc', () => {
    const { stdout } = spawnSync('mandoc', ['-T', 'lint', '-W', 'style', path], { encoding: 'utf8' });
    // A date would change with each build.
    expect(stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date'))).toEqual([]);
  });

  it.skipIf(!hasGroff)('is correct for groff', () => {
    const { stderr } = spawnSync('groff', ['-ww', '-man', '-Tutf8', '-Z', path], { encoding: 'utf8' });
    expect(stderr).toBe('');
  });
});

it('the manual of fathomd has a heading for each command that the help shows', () => {
  const headings = new Set(
    [...daemonManual().matchAll(/^\.SS "fathomd ([a-z\\-]+(?: [a-z][a-z\\-]*)?)/gm)].map(([, words = '']) =>
      words.replaceAll('\\-', '-'),
    ),
  );
  for (const { words, hidden } of COMMANDS)
    expect(headings.has(words.join(' ')), words.join(' ')).toBe(!hidden);
});

it('the package contains the manual pages', () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    man: string[];
    files: string[];
  };
  expect(manifest.man).toEqual(['man/fathomd.8', 'man/fathom-tui.1']);
  expect(manifest.files).toContain('man');
});
