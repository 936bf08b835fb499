import { isDeepStrictEqual } from 'node:util';
import type { MailConfig } from '../../config/mail.ts';
import type { ControlPlaneClient } from '../../control-plane/client.ts';

/** Paths of the pages of PocketBase's dashboard that its templates link to, and of Fathom's own (`account-pages.ts`). */
const PAGES = {
  verificationTemplate: ['confirm-verification', 'verify'],
  resetPasswordTemplate: ['confirm-password-reset', 'reset-password'],
  confirmEmailChangeTemplate: ['confirm-email-change', 'change-email'],
} as const;

type TemplateName = keyof typeof PAGES;
interface Template {
  subject: string;
  body: string;
}
export type Templates = Record<TemplateName, Template>;

interface MailSettings {
  mail: MailConfig | null;
  siteUrl: string | null;
}

/**
 * Writes the name, URL and sender of mails into the settings of the global PocketBase, and lets the links of its templates lead to
 * Fathom's pages. What the settings of the daemon do not define stays as an administrator set it.
 */
export async function configureMail(client: ControlPlaneClient, settings: MailSettings): Promise<void> {
  await client.call(async (pocketbase) => {
    const { meta } = (await pocketbase.settings.getAll()) as { meta: Record<string, unknown> };
    const changed = withSender(meta, settings);
    if (!isDeepStrictEqual(changed, meta)) await pocketbase.settings.update({ meta: changed });
    if (settings.siteUrl === null) return;
    const users = await pocketbase.collections.getOne('users');
    const links = changedLinks(users as unknown as Templates);
    if (Object.keys(links).length > 0) await pocketbase.collections.update('users', links);
  });
}

/** The member `meta` of PocketBase's settings with what the settings of the daemon define. */
export function withSender(
  meta: Readonly<Record<string, unknown>>,
  { mail, siteUrl }: MailSettings,
): Record<string, unknown> {
  const sender = mail && {
    appName: mail.from.name,
    senderName: mail.from.name,
    senderAddress: mail.from.address,
  };
  return { ...meta, ...sender, ...(siteUrl === null ? {} : { appURL: siteUrl }) };
}

/** The templates whose link leads to a page of PocketBase's dashboard, with a link to Fathom's page. Other text stays. */
export function changedLinks(templates: Readonly<Templates>): Partial<Templates> {
  const names = Object.keys(PAGES) as TemplateName[];
  return Object.fromEntries(
    names.flatMap((name) => {
      const [dashboardPage, page] = PAGES[name];
      const { body, ...rest } = templates[name];
      const linked = body.replaceAll(
        `{APP_URL}/_/#/auth/${dashboardPage}/{TOKEN}`,
        `{APP_URL}/account/${page}#{TOKEN}`,
      );
      return linked === body ? [] : [[name, { ...rest, body: linked }]];
    }),
  );
}
