import { describe, expect, it, onTestFinished } from 'vitest';
import type { Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { deployment } from '../helpers/harness.ts';
import { call, PASSWORD, type Session } from '../helpers/http-call.ts';
import { mailServer, SMTP_PASSWORD } from '../helpers/mail-server.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

/** Signs up, and waits for the reason that the daemon reports. */
async function problemWith(
  settings: Record<string, string>,
): Promise<{ fathom: Deployment; problem: string }> {
  const fathom = await deployment({ SIGN_UP_MODE: 'verified', ...settings });
  const daemon = await fathom.start({ PUBLIC_URL: fathom.url });
  const { status, body } = await call<Session>('POST', `${fathom.url}/api/v1/auth/register`, {
    body: { email: 'ann@example.com', password: PASSWORD },
  });
  expect([status, body.database.status]).toEqual([201, 'awaiting_verification']);
  const problem = await until(async () => (await fathom.client.daemon.status()).mail.problem, {
    what: () => `a problem of the mail server:\n${daemon.output()}`,
  });
  expect(daemon.output()).toContain('cannot send a mail');
  expect(daemon.output()).not.toContain(SMTP_PASSWORD);
  return { fathom, problem };
}

async function runningServer(options: Parameters<typeof mailServer>[0] = {}) {
  const server = await mailServer(options);
  onTestFinished(() => server.close());
  return server;
}

describe('a mail server that fails', () => {
  it('does not prevent a sign-up, and is reported with what to do', async () => {
    const server = await mailServer();
    await server.close();
    const { fathom, problem } = await problemWith({ ...server.settings, NODE_EXTRA_CA_CERTS: '' });
    expect(problem).toContain('SMTP_PORT');
    const command = await fathomd(['users', 'verify-mail', 'ann@example.com'], { env: fathom.env });
    expect([command.exitCode, command.stderr]).toEqual([69, textWith('SMTP_PORT')]);
    const env = { ...fathom.env, PUBLIC_URL: fathom.url };
    const findings: unknown = JSON.parse((await fathomd(['doctor', '--json'], { env })).stdout);
    expect(findings).toContainEqual(expect.objectContaining({ id: 'mail', level: 'warning' }));
  });

  it('because of a wrong password', async () => {
    const { settings } = await runningServer();
    const { problem } = await problemWith({ ...settings, SMTP_PASSWORD: 'not this one' });
    expect(problem).toContain('SMTP_PASSWORD');
    expect(problem).not.toContain('not this one');
  });

  it.each(['implicit', 'off'])('because of SMTP_TLS=%s, where it wants STARTTLS', async (tls) => {
    const server = await runningServer();
    const { problem } = await problemWith({ ...server.settings, SMTP_TLS: tls });
    expect(problem).toContain(tls === 'off' ? 'mail server' : 'SMTP_TLS');
    expect(server.mails).toEqual([]);
  });

  it('because of SMTP_TLS=starttls, where it is encrypted from the first byte', async () => {
    const server = await runningServer({ secure: true });
    const { problem } = await problemWith(server.settings);
    expect(problem).toContain('SMTP_TLS');
    expect(server.mails).toEqual([]);
  });

  it('because its certificate is not known', async () => {
    const server = await runningServer();
    const { problem } = await problemWith({ ...server.settings, NODE_EXTRA_CA_CERTS: '' });
    expect(problem).toContain('certificate');
    expect(server.mails).toEqual([]);
  });

  it('because it has no encryption: it gets neither the mail nor the password', async () => {
    const seen: string[] = [];
    const server = await runningServer({
      hideSTARTTLS: true,
      disabledCommands: ['STARTTLS'],
      allowInsecureAuth: true,
      onAuth: ({ password }, _session, done) => {
        seen.push(String(password));
        done(null, { user: 'fathom' });
      },
    });
    const { problem } = await problemWith(server.settings);
    expect(problem).toContain('SMTP_TLS');
    expect([seen, server.mails]).toEqual([[], []]);
  });
});
