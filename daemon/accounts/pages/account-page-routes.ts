import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../base/package.ts';
import type { Api } from '../../http/serve.ts';
import { ACCOUNT_PAGES, type AccountPageName, renderAccountPage } from './account-pages.ts';

const ASSETS = { 'page.js': 'text/javascript; charset=utf-8', 'page.css': 'text/css; charset=utf-8' };

/** Allows nothing from other origins and nothing inline, and no other page may show this one in a frame. */
const CONTENT_SECURITY_POLICY = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ['data:'],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
};

/** Registers the pages that links in mails lead to. */
export function accountPageRoutes(app: Api): void {
  const hidden = { config: { permission: 'public', whileStarting: true }, schema: { hide: true } } as const;

  for (const name of Object.keys(ACCOUNT_PAGES) as AccountPageName[]) {
    const page = renderAccountPage(name);
    app.get(
      `/account/${name}`,
      { ...hidden, helmet: { contentSecurityPolicy: CONTENT_SECURITY_POLICY } },
      (_, reply) => reply.type('text/html; charset=utf-8').header('cache-control', 'no-cache').send(page),
    );
  }

  for (const [name, type] of Object.entries(ASSETS)) {
    app.get(`/account/${name}`, hidden, async (_, reply) => {
      const content = await readFile(join(packageRoot(), 'dist/account', name));
      return reply.type(type).header('cache-control', 'no-cache').send(content);
    });
  }
}
