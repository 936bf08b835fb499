import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { runInProcess } from '../../../test/helpers/run-cli.ts';

it.each([
  [['databses'], "unknown command or argument 'databses'; did you mean 'databases'?"],
  [['databases', 'lst'], "unknown command or argument 'lst'; did you mean 'list'?"],
  [['users', 'ad', 'a@b.example'], "unknown command or argument 'ad'; did you mean 'add'?"],
  [['frobnicate'], "unknown command or argument 'frobnicate'; see 'fathomd --help'"],
  [['status', '--jsn'], "unknown option '--jsn'; did you mean '--json'?"],
  [['databases', 'logs', 'x', '--tial=3'], "unknown option '--tial'; did you mean '--tail'?"],
  [['status', '--follow'], "unknown option '--follow'; see 'fathomd status --help'"],
  [['status', '-x'], "unknown option '-x'; see 'fathomd status --help'"],
  [['status', 'extra'], "unknown command or argument 'extra'; see 'fathomd status --help'"],
  [['databases', 'logs'], "<name> is missing; see 'fathomd databases logs --help'"],
  [['databases'], "name what to do with databases; see 'fathomd databases --help'"],
  [[], "name a command; see 'fathomd --help'"],
  [
    ['users', 'add', 'a@b.example', '--role', 'king'],
    "--role: 'king' is not one of user, viewer, operator, admin; see 'fathomd users add --help'",
  ],
  [['databases', 'list', '--phase', 'faild'], "did you mean 'failed'?"],
  [['audit', 'list', '--outcome', 'x'], "--outcome: 'x' is not one of ok, refused, failed"],
  [
    ['keys', 'add', 'a@b.example', '--name', 'x', '--permission', 'metric.read'],
    "--permission: 'metric.read' is not one of account.use, ",
  ],
  [['queue', 'list', '--limit', 'few'], "--limit needs a whole number, not 'few'"],
  [['queue', 'list', '--limit=1.5'], "--limit needs a whole number, not '1.5'"],
  [['queue', 'list', '--status'], '--status needs one of pending, '],
  [['queue', 'list', '--limit'], '--limit needs a whole number'],
  [['status', '--url'], '--url needs a value'],
  [['keys', 'add', 'a@b.example'], '--name is missing'],
  [['databases', 'records', 'x'], "<collection> is missing; see 'fathomd databases records --help'"],
  [['queue', 'add', 'echo', '--priority', 'high'], '--priority needs a whole number'],
  [['databases', 'records', 'x', 'users', '--page='], '--page needs a whole number'],
  [['users', 'set', 'a@b.example', '--active=yes'], '--active takes no value but true and false'],
  [['logs', 'x', '-f=1'], '-f takes no value but true and false'],
  [['serve', '--data-dir', ''], '--data-dir needs a value that is not empty'],
  [['stop', '--no-socket'], '--socket needs a value that is not empty'],
  [['users', 'show', ''], '<user> is empty'],
  [['users', 'list', '--sort', 'name'], "unknown option '--sort'"],
  [['databases', 'logs', 'x', '--tail', 'few'], '--tail needs a whole number'],
  [['audit', 'list', '--limit', '501'], '--limit needs a whole number from 1 to 500'],
  [['status', '--url', 'http://a', '--socket', '/b'], '--socket and --url exclude each other'],
])('%j exits 2 with a suggestion', async (argv, message) => {
  const { code, out, err } = await runInProcess(argv, { cwd: tmpdir() });
  expect(err).toContain(message);
  expect(err).toMatch(/^fathomd: [^\n]+\n$/);
  expect(out).toBe('');
  expect(code).toBe(2);
});
