import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { VARIABLES } from '../../daemon/config/sources/variables.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path)),
];

/** As GitHub makes the anchor of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
    .replaceAll(' ', '-');
}

function isDead(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#', 2);
  const target = path === '' ? join(ROOT, page) : resolve(ROOT, dirname(page), path);
  if (!existsSync(target)) return true;
  if (anchor === undefined) return false;
  const headings = [...readFileSync(target, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, text = '']) => text);
  return !headings.some((heading) => anchorOf(heading) === anchor);
}

it('has no dead links between its pages', () => {
  const links = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => ({ page, link })),
  );
  const own = links.filter(({ link }) => !/^[a-z]+:/.test(link));
  expect(own.length).toBeGreaterThan(50);
  expect(own.filter(({ page, link }) => isDead(page, link))).toEqual([]);
});

it('lists every page in README.md', () => {
  const readme = read('README.md');
  const unlisted = pages.filter((page) => /^docs\/[^/]+$/.test(page) && !readme.includes(`(${page}`));
  expect(unlisted).toEqual([]);
});

it('has every setting in .env.sample, and no others', () => {
  const sample = [...read('.env.sample').matchAll(/^#?([A-Z][A-Z_]+)=/gm)].map(([, name = '']) => name);
  expect(sample.toSorted()).toEqual([...VARIABLES].toSorted());
});
