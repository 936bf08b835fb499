import { escapeHtml, textOf } from '../../accounts/mail/mail-text.ts';
import type { Mail } from '../../accounts/mail/mailer.ts';

/** The mail to the owner of a database that is archived soon. `service`: the name by which mails call the service. */
export function inactivityMail({
  email,
  database,
  service,
  days,
  lastUsedAt,
  archiveAt,
  siteUrl,
}: {
  email: string;
  database: string;
  service: string;
  /** DATABASE_INACTIVE_DAYS */
  days: number;
  /** Null when no use is known. */
  lastUsedAt: Date | null;
  archiveAt: Date;
  /** The page of owners; null without one. */
  siteUrl: string | null;
}): Mail {
  const [name, at] = [escapeHtml(service), dayOf(archiveAt)];
  const since = lastUsedAt === null ? `for ${days} days` : `since ${dayOf(lastUsedAt)}`;
  const signIn =
    siteUrl === null ? '' : `\n<p><a href="${escapeHtml(siteUrl)}">Sign in at ${escapeHtml(siteUrl)}</a></p>`;
  const html = `<!doctype html>
<html lang="en">
<body>
<p>Hello,</p>
<p>Your database ${escapeHtml(database)} at ${name} has not been used ${since}. It will be archived on ${at} (UTC).</p>
<p>No data is lost: the next request or sign-in brings it back. The first request then takes longer.</p>
<p>To keep it as it is, use it before that day.</p>${signIn}
</body>
</html>
`;
  return {
    to: [email],
    subject: `Your database at ${service} will be archived on ${at}`,
    html,
    text: textOf(html),
  };
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}
