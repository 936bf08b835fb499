import { expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { invitationMail } from '../invitations/invitation-mail.ts';
import { MailLimits } from './mail-limits.ts';
import { changedLinks, type Templates, withSender } from './mail-settings.ts';
import { textOf } from './mail-text.ts';
import { smtpProblem } from './smtp-problem.ts';

const MAIL = {
  host: 'mail.example.com',
  port: 587,
  tls: 'starttls',
  login: null,
  from: { name: 'Example', address: 'noreply@example.com' },
} as const;

it('makes text of the HTML of a mail', () => {
  const html = `<!doctype html><html><head><style>p { color: red }</style></head><body>
    <p>Hello &lt;Ann&gt; &amp; Bob,</p>
    <p>Click.<br/>  <a class="btn" href="https://x.example/a?b=1&amp;c=2#t.o-k" target="_blank">Verify</a></p></body></html>`;
  expect(textOf(html)).toBe('Hello <Ann> & Bob,\n\nClick.\nVerify: https://x.example/a?b=1&c=2#t.o-k');
});

it('escapes the name of the service in an invitation', () => {
  const mail = invitationMail({
    email: 'ann@example.com',
    link: 'https://x.example/account/invitation#token=a&email=b',
    service: '<img src=x onerror=alert(1)> "A" & B',
    expiresAt: new Date('2026-02-03T04:05:06Z'),
  });
  expect(mail.html).not.toContain('<img');
  expect(mail.text).toContain('https://x.example/account/invitation#token=a&email=b');
  expect(mail.text).toContain('2026-02-03');
});

it('limits the mails to one address, in any letter case', async () => {
  const time = new ManualTime();
  const limits = new MailLimits(time);
  const taken = () => limits.takeMail('verification', ['ann@example.com', 'bob@example.com']);
  for (const email of ['ann@example.com', 'ANN@example.com', ' ann@example.com ']) {
    expect(limits.takeMail('verification', [email])).toBe(true);
  }
  expect([taken(), taken(), taken()]).toEqual([true, true, false]);
  expect(limits.takeMail('verification', ['ann@example.com'])).toBe(false);
  // Refused mails did not count for the other address.
  expect([1, 2, 3, 4].map(() => limits.takeMail('verification', ['bob@example.com']))).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(limits.takeMail('password_reset', ['ann@example.com'])).toBe(true);
  await time.advance(12 * 60_000);
  expect(limits.takeMail('verification', ['ann@example.com'])).toBe(true);
});

it('limits the requests of one client', () => {
  const limits = new MailLimits(new ManualTime());
  for (let count = 0; count < 20; count += 1) limits.countRequest('verify', '2001:db8:1:2::1');
  expect(() => limits.countRequest('verify', '2001:db8:1:2::2')).toThrow(
    expect.objectContaining({ code: 'rate_limited', retryAfterS: 45 }) as Error,
  );
  expect(() => limits.countRequest('verify', '2001:db8:1:3::1')).not.toThrow();
  expect(() => limits.countRequest('other', '2001:db8:1:2::1')).not.toThrow();
  for (let count = 0; count < 30; count += 1) limits.countRequest('verify', 'local');
});

it('defines the sender and URL that are set, and nothing else', () => {
  const meta = {
    appName: 'Acme',
    appURL: 'http://localhost:8090',
    senderName: 'Support',
    senderAddress: 'a@b.c',
    hideControls: true,
  };
  expect(withSender(meta, { mail: null, siteUrl: null })).toEqual(meta);
  expect(withSender(meta, { mail: null, siteUrl: 'https://x.example' })).toEqual({
    ...meta,
    appURL: 'https://x.example',
  });
  expect(withSender(meta, { mail: MAIL, siteUrl: 'https://x.example' })).toEqual({
    appName: 'Example',
    appURL: 'https://x.example',
    senderName: 'Example',
    senderAddress: 'noreply@example.com',
    hideControls: true,
  });
});

it('changes links to the dashboard only', () => {
  const templates: Templates = {
    verificationTemplate: {
      subject: 'V',
      body: '<a href="{APP_URL}/_/#/auth/confirm-verification/{TOKEN}">own words</a>',
    },
    resetPasswordTemplate: {
      subject: 'R',
      body: '<a href="https://app.example.com/reset?t={TOKEN}">Reset</a>',
    },
    confirmEmailChangeTemplate: { subject: 'C', body: '{APP_URL}/account/change-email#{TOKEN}' },
  };
  expect(changedLinks(templates)).toEqual({
    verificationTemplate: { subject: 'V', body: '<a href="{APP_URL}/account/verify#{TOKEN}">own words</a>' },
  });
});

it.each([
  ['EAUTH', 'SMTP_PASSWORD'],
  ['EDNS', 'SMTP_HOST'],
  ['ESOCKET', 'SMTP_PORT'],
  ['ETIMEDOUT', 'SMTP_TLS'],
  ['ETLS', 'SMTP_TLS'],
])('names the setting to correct after %s', (code, setting) => {
  const error = Object.assign(new Error('line one\r\nline two'), { code });
  const problem = smtpProblem(error, MAIL);
  expect(problem.message).toContain(setting);
  expect(problem.message).toContain('mail.example.com:587');
  expect(problem.message).not.toMatch(/[\r\n]/);
});
