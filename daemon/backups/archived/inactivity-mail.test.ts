import { expect, it } from 'vitest';
import { inactivityMail } from './inactivity-mail.ts';

const MAIL = {
  email: 'ann@example.com',
  database: '2026-01-15-001-ann',
  service: '<b>Example</b> & Co',
  days: 90,
  lastUsedAt: new Date('2026-01-15T10:00:00Z'),
  archiveAt: new Date('2026-04-15T10:00:00Z'),
  siteUrl: 'https://fathom.example.com',
};

it('names the database, the last use, the day and the page to sign in at', () => {
  const mail = inactivityMail(MAIL);
  expect(mail.subject).toBe('Your database at <b>Example</b> & Co will be archived on 2026-04-15');
  expect(mail.html).not.toContain('<b>');
  expect(mail.text).toContain(
    'Your database 2026-01-15-001-ann at <b>Example</b> & Co has not been used since 2026-01-15.',
  );
  expect(mail.text).toContain('It will be archived on 2026-04-15 (UTC).');
  expect(mail.text).toContain('https://fathom.example.com');
});

it('without a known use and without a page, it names the days only', () => {
  const { text, html } = inactivityMail({ ...MAIL, lastUsedAt: null, siteUrl: null });
  expect(text).toContain('has not been used for 90 days.');
  expect(html).not.toContain('href');
});
