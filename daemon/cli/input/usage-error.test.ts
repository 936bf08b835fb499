import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { runInProcess } from '../../../test/helpers/run-cli.ts';
import { textWith } from '../../../test/helpers/text-with.ts';

it.each([
  [['databses'], ["'databses'", "'databases'"]],
  [
    ['databases', 'lst'],
    ["'lst'", "'list'"],
  ],
  [
    ['users', 'ad', 'a@b.example'],
    ["'ad'", "'add'"],
  ],
  [['frobnicate'], ["'frobnicate'", "'fathomd --help'"]],
  [
    ['status', '--jsn'],
    ["'--jsn'", "'--json'"],
  ],
  [
    ['databases', 'logs', 'x', '--tial=3'],
    ["'--tial'", "'--tail'"],
  ],
  [
    ['status', '--follow'],
    ["'--follow'", "'fathomd status --help'"],
  ],
  [
    ['status', '-x'],
    ["'-x'", "'fathomd status --help'"],
  ],
  [
    ['status', 'extra'],
    ["'extra'", "'fathomd status --help'"],
  ],
  [
    ['databases', 'logs'],
    ['<name>', "'fathomd databases logs --help'"],
  ],
  [['databases'], ["'fathomd databases --help'"]],
  [[], ["'fathomd --help'"]],
  [
    ['users', 'add', 'a@b.example', '--role', 'king'],
    ['--role', "'king'", 'user, viewer, operator, admin', "'fathomd users add --help'"],
  ],
  [
    ['databases', 'list', '--phase', 'faild'],
    ["'faild'", "'failed'"],
  ],
  [
    ['audit', 'list', '--outcome', 'x'],
    ['--outcome', "'x'", 'ok, refused, failed'],
  ],
  [
    ['keys', 'add', 'a@b.example', '--name', 'x', '--permission', 'metric.read'],
    ['--permission', "'metric.read'", 'account.use, '],
  ],
  [
    ['queue', 'list', '--limit', 'few'],
    ['--limit', "'few'"],
  ],
  [
    ['queue', 'list', '--limit=1.5'],
    ['--limit', "'1.5'"],
  ],
  [
    ['queue', 'list', '--status'],
    ['--status', 'pending, '],
  ],
  [['queue', 'list', '--limit'], ['--limit']],
  [['status', '--url'], ['--url']],
  [['keys', 'add', 'a@b.example'], ['--name']],
  [
    ['databases', 'records', 'x'],
    ['<collection>', "'fathomd databases records --help'"],
  ],
  [
    ['queue', 'add', 'echo', '--priority', 'high'],
    ['--priority', "'high'"],
  ],
  [['databases', 'records', 'x', 'users', '--page='], ['--page']],
  [
    ['users', 'set', 'a@b.example', '--active=yes'],
    ['--active', 'true', 'false'],
  ],
  [
    ['logs', 'x', '-f=1'],
    ['-f', 'true', 'false'],
  ],
  [['serve', '--data-dir', ''], ['--data-dir']],
  [['stop', '--no-socket'], ['--socket']],
  [['users', 'show', ''], ['<user>']],
  [['users', 'list', '--sort', 'name'], ["'--sort'"]],
  [
    ['databases', 'logs', 'x', '--tail', 'few'],
    ['--tail', "'few'"],
  ],
  [
    ['audit', 'list', '--limit', '501'],
    ['--limit', 1, 500],
  ],
  [
    ['status', '--url', 'http://a', '--socket', '/b'],
    ['--socket', '--url'],
  ],
])('%j exits 2 with a suggestion', async (argv: string[], parts: (string | number)[]) => {
  const { code, out, err } = await runInProcess(argv, { cwd: tmpdir() });
  expect(err).toEqual(textWith(...parts));
  expect(err).toMatch(/^fathomd: [^\n]+\n$/);
  expect(out).toBe('');
  expect(code).toBe(2);
});
