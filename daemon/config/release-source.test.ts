import { expect, it } from 'vitest';
import { parseReleaseSources } from './release-source.ts';

function parse(text: string) {
  const problems: string[] = [];
  const sources = parseReleaseSources(text, '/srv', (problem) => problems.push(problem));
  return { sources, problems };
}

it('reads addresses, directories and archives in their order', () => {
  expect(
    parse('https://mirror.example/pb/, releases,/opt/pb.zip , file:///mnt/pb,http://127.0.0.1:8/x'),
  ).toEqual({
    sources: [
      { url: 'https://mirror.example/pb' },
      { path: '/srv/releases' },
      { path: '/opt/pb.zip' },
      { path: '/mnt/pb' },
      { url: 'http://127.0.0.1:8/x' },
    ],
    problems: [],
  });
  expect(parse(' , ')).toEqual({ sources: [], problems: [] });
});

it.each([
  'http://mirror.example/pb',
  'ftp://mirror.example/pb',
  'https://me:secret@mirror.example/pb',
  'file://host/pb',
  '/opt/\u001b[1mpb',
])('rejects %j, and does not repeat it', (entry) => {
  const { sources, problems } = parse(`/opt/pb,${entry}`);
  expect(sources).toEqual([{ path: '/opt/pb' }]);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain('entry 2');
  expect(problems[0]).not.toContain(entry);
});
