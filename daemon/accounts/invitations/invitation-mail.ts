import { escapeHtml, textOf } from '../mail/mail-text.ts';
import type { Mail } from '../mail/mailer.ts';

/** The mail of an invitation. `service`: the name by which mails call the service. */
export function invitationMail({
  email,
  link,
  service,
  expiresAt,
}: {
  email: string;
  link: string;
  service: string;
  expiresAt: Date;
}): Mail {
  const name = escapeHtml(service);
  const day = expiresAt.toISOString().slice(0, 10);
  const html = `<!doctype html>
<html lang="en">
<body>
<p>Hello,</p>
<p>You are invited to ${name}. Choose a password to create your account and your database.</p>
<p><a href="${escapeHtml(link)}">Accept the invitation</a></p>
<p>The link is for this address only, works once, and expires on ${day}.</p>
<p>If you do not know ${name}, ignore this mail.</p>
</body>
</html>
`;
  return { to: [email], subject: `Invitation to ${service}`, html, text: textOf(html) };
}
