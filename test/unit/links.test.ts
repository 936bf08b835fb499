import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, it } from 'vitest';

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

/** Links to files of the repository. */
function ownLinks(page: string): string[] {
  const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
  return links.filter((link) => !/^[a-z]+:/.test(link));
}

function pagesReachedFrom(page: string, seen = new Set<string>()): Set<string> {
  if (seen.has(page)) return seen;
  seen.add(page);
  for (const link of ownLinks(page)) {
    const target = join(dirname(page), link.split('#', 1)[0] ?? '');
    if (pages.includes(target)) pagesReachedFrom(target, seen);
  }
  return seen;
}

it('has no dead links between its pages', () => {
  const links = pages.flatMap((page) => ownLinks(page).map((link) => ({ page, link })));
  expect(links.length).toBeGreaterThan(50);
  expect(links.filter(({ page, link }) => isDead(page, link))).toEqual([]);
});

it('reaches every page from docs/README.md', () => {
  const reached = pagesReachedFrom('docs/README.md');
  expect(pages.filter((page) => !reached.has(page))).toEqual([]);
});

it('names files of the repository that exist', () => {
  const named = pages.flatMap((page) => {
    const text = read(page);
    const created = new Set([...text.matchAll(/^\| `([\w./-]+)` \| new:/gm)].map(([, path]) => path));
    const paths = text.matchAll(/`((?:bench|daemon|pb_hooks|scripts|shared|test|tui)\/[\w./-]+)`/g);
    return [...paths].flatMap(([, path = '']) => (created.has(path) ? [] : [{ page, path }]));
  });
  expect(named.length).toBeGreaterThan(50);
  expect(named.filter(({ path }) => !existsSync(join(ROOT, path)))).toEqual([]);
});

it('imports what exists in the examples of new files', () => {
  const imports = pages.flatMap((page) => {
    const text = read(page);
    const examples = [...text.matchAll(/^`((?:[\w.-]+\/)+[\w.-]+)`:\n\n```\w+\n([^]*?)```$/gm)];
    const created = new Set(examples.map(([, path = '']) => path));
    return examples.flatMap(([, file = '', code = '']) =>
      [...code.matchAll(/^import (?:type )?\{([^}]*)\} from '(\.[^']*)';$/gm)].flatMap(
        ([, names = '', specifier = '']) => {
          const target = join(dirname(file), specifier);
          return created.has(target)
            ? []
            : names.split(',').map((name) => ({ page, target, name: name.replace('type ', '').trim() }));
        },
      ),
    );
  });
  expect(imports.length).toBeGreaterThan(10);
  const missing = imports.filter(
    ({ target, name }) =>
      !existsSync(join(ROOT, target)) || !new RegExp(`^export .*\\b${name}\\b`, 'm').test(read(target)),
  );
  expect(missing).toEqual([]);
});
