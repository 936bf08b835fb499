import { expect, it } from 'vitest';
import { textWith } from '../../../test/helpers/text-with.ts';
import { nextSteps } from './next-steps.ts';

const lines = nextSteps(
  { admin: { email: 'admin@fathom.local', password: 'geheim' } },
  { api_url: 'http://127.0.0.1:3000', global_url: 'http://127.0.0.1:8090' },
  '/srv/fathom/.env',
  'bin/fathom-tui --socket /srv/fathom/s',
);

it('shows how to sign up and how to open the console and the dashboard', () => {
  const text = lines.join('\n');
  expect(text).toContain('http://127.0.0.1:3000/api/v1/auth/register');
  expect(text).toContain('\n  bin/fathom-tui --socket /srv/fathom/s\n');
  expect(text).toContain('http://127.0.0.1:8090/_/');
});

it('names the file with the password, never the password', () => {
  const text = lines.join('\n');
  expect(text).toEqual(textWith('PB_ADMIN_PASSWORD', '/srv/fathom/.env'));
  expect(text).not.toContain('geheim');
});

it('warns of a vulnerable PocketBase, and says what to do', () => {
  expect(lines.join('\n')).not.toContain('Warning');
  const exposure = {
    vulnerable_instances: 1,
    versions: [
      { version: '0.39.1', instances: 1, severity: 'high' as const, advisories: ['CVE-2026-82410'] },
    ],
    remedy: "run 'fathomd pocketbase install'",
  };
  const status = { api_url: 'http://127.0.0.1:3000', global_url: 'http://127.0.0.1:8090', exposure };
  const warned = nextSteps({ admin: { email: 'a@b.c', password: 'geheim' } }, status, '.env', 'fathom-tui');
  expect(warned.slice(lines.length).join('\n')).toEqual(
    textWith('0.39.1', 'CVE-2026-82410', 'high', "run 'fathomd pocketbase install'"),
  );
});

it('shows a sign-up with a JSON body', () => {
  const body = /-d '(.*)'/.exec(lines.join('\n'))?.[1] ?? '';
  expect(JSON.parse(body)).toEqual({ email: expect.any(String), password: expect.any(String) });
});
