import { join } from 'node:path';
import { expect, it } from 'vitest';
import { systemClock } from '../../daemon/base/time/clock.ts';
import { assemble, servedPaths } from '../../daemon/databases/applications/assembled.ts';
import { readServedFiles } from '../../daemon/databases/applications/served-files.ts';
import { tryHooks } from '../../daemon/databases/applications/try-hooks.ts';
import { ENCRYPTION_VARIABLE } from '../../daemon/pocketbase/process/command.ts';
import { putFiles } from '../helpers/applications.ts';
import { bareInstance } from '../helpers/bare-instance.ts';

const GOOD = "routerAdd('GET', '/x', (e) => e.string(200, 'x'));";

async function tryFiles(hooks: Record<string, string>, timeoutMs = 20_000): Promise<void> {
  const { directory, command, driver } = await bareInstance();
  await putFiles(join(directory, 'shop', 'hooks'), hooks);
  const shop = { name: 'shop', directory: join(directory, 'shop'), manifest: null, isOwn: false };
  const served = await readServedFiles([shop]);
  if (!served) throw new Error('there are no hooks');
  const assembledDir = join(directory, 'assembled');
  await assemble(assembledDir, served);
  const environment = { [ENCRYPTION_VARIABLE]: command.environment[ENCRYPTION_VARIABLE] ?? '' };
  const trial = { driver, binary: command.binary, directory, environment, timeoutMs, clock: systemClock };
  await tryHooks({ ...trial, ...servedPaths(assembledDir, served) }, served.files);
}

it('accepts hooks that load', async () => {
  await tryFiles({ 'main.pb.js': GOOD, 'lib/x.js': '' });
});

it.each([
  ['a syntax error', { 'a.pb.js': GOOD, 'main.pb.js': '\n\nlet x = ;' }, 'main.pb.js', 3, 'SyntaxError'],
  ['an error', { 'main.pb.js': '\nfoo();' }, 'main.pb.js', 2, 'ReferenceError: foo is not defined'],
  [
    'an error in a file that a hook loads',
    { 'main.pb.js': 'require(`${__hooks}/lib/x.js`);', 'lib/x.js': '\n\nthrow new Error("no");' },
    'lib/x.js',
    3,
    'Error: no',
  ],
  [
    'a syntax error in a file that a hook loads',
    { 'main.pb.js': 'require(`${__hooks}/lib/x.js`);', 'lib/x.js': '\nlet x = ;' },
    'lib/x.js',
    2,
    'SyntaxError',
  ],
  [
    'a missing file',
    { 'main.pb.js': 'require(`${__hooks}/gone.js`);' },
    'main.pb.js',
    null,
    'Invalid module',
  ],
  [
    'a wrong cron expression',
    { 'main.pb.js': 'cronAdd("x", "never", () => {});' },
    'main.pb.js',
    null,
    'cron',
  ],
])('refuses %s with file and line', async (_what, hooks, file, line, why) => {
  await expect(tryFiles(hooks)).rejects.toMatchObject({
    problem: {
      code: 'hook_broken',
      file: `shop/hooks/${file}`,
      line,
      message: expect.stringContaining(why) as string,
    },
  });
});

it.each([
  ['two routes for one path', `${GOOD}\n${GOOD}`, 'conflicts with pattern'],
  ['an error at the start', 'onBootstrap((e) => { e.next(); throw new Error("boot"); });', 'Error: boot'],
])('refuses %s, and names the file', async (_what, text, why) => {
  await expect(tryFiles({ 'a.pb.js': '', 'b.pb.js': text, 'c.pb.js': '' })).rejects.toMatchObject({
    problem: {
      code: 'hook_broken',
      file: 'shop/hooks/b.pb.js',
      message: expect.stringContaining(why) as string,
    },
  });
});

it('names a hook that does not end', async () => {
  const hooks = { 'a.pb.js': GOOD, 'b.pb.js': 'for (;;) {}' };
  await expect(tryFiles(hooks, 2_000)).rejects.toMatchObject({
    problem: { code: 'timed_out', file: 'shop/hooks/b.pb.js' },
  });
});
