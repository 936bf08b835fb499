import { expect, it } from 'vitest';
import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import { packageRoot } from '../../base/package.ts';
import { processContext } from '../context.ts';
import { printNextSteps } from './next-steps.ts';

const STATUS = { api_url: 'http://127.0.0.1:3000', global_url: 'http://127.0.0.1:8090' };

/** The output in the directory of the package, where commands are in `bin`. */
function printed(status: Partial<Pick<DaemonStatus, 'exposure'>> = {}, dataDir?: string): string {
  let text = '';
  const stdout = { write: (part: string) => (text += part) };
  const context = { ...processContext(), env: {}, cwd: packageRoot(), stdout };
  const config = {
    admin: { email: 'admin@fathom.local', password: 'geheim' },
    socketPath: '/srv/fathom/s',
  };
  const loaded = { config, adminPasswordOrigin: '/srv/fathom/.env' };
  printNextSteps(loaded, { ...STATUS, ...status }, dataDir, context);
  return text;
}

it('shows how to sign up and how to open the console and the dashboard', () => {
  const text = printed();
  expect(text).toContain('http://127.0.0.1:3000/api/v1/auth/register');
  expect(text).toContain('\n  bin/fathom-tui\n');
  expect(text).toContain('http://127.0.0.1:8090/_/');
  expect(printed({}, '/srv/fathom')).toContain('\n  bin/fathom-tui --socket /srv/fathom/s\n');
});

it('names the file with the password, never the password', () => {
  const text = printed();
  expect(text).toEqual(textWith('PB_ADMIN_PASSWORD', '/srv/fathom/.env'));
  expect(text).not.toContain('geheim');
});

it('warns of a vulnerable PocketBase, and names the command that works here', () => {
  expect(printed()).not.toContain('Warning');
  const exposure = {
    vulnerable_instances: 1,
    versions: [
      { version: '0.39.1', instances: 1, severity: 'high' as const, advisories: ['CVE-2026-82410'] },
    ],
    remedy: "run 'fathomd pocketbase install'",
  };
  const warning = printed({ exposure }).slice(printed().length);
  expect(warning).toEqual(
    textWith('0.39.1', 'CVE-2026-82410', 'high', "run 'bin/fathomd pocketbase install'"),
  );
});

it('shows a sign-up with a JSON body', () => {
  const body = /-d '(.*)'/.exec(printed())?.[1] ?? '';
  expect(JSON.parse(body)).toEqual({ email: expect.any(String), password: expect.any(String) });
});
