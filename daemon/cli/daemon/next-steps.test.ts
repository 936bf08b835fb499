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

it('shows a sign-up with a JSON body', () => {
  const body = /-d '(.*)'/.exec(lines.join('\n'))?.[1] ?? '';
  expect(JSON.parse(body)).toEqual({ email: expect.any(String), password: expect.any(String) });
});
