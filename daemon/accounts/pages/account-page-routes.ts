import type { LiveSettings } from '../../config/live-settings.ts';
import { assetRoutes, contentSecurityPolicy, PAGE_ROUTE } from '../../http/pages.ts';
import type { Api } from '../../http/serve.ts';
import { ACCOUNT_PAGES, type AccountPageName, renderAccountPage } from './account-pages.ts';

const ASSETS = { 'page.js': 'text/javascript; charset=utf-8', 'page.css': 'text/css; charset=utf-8' };

const CONTENT_SECURITY_POLICY = contentSecurityPolicy(['data:']);

export interface AccountPageRoutesDeps {
  settings: LiveSettings;
}

/** Registers the pages that links in mails lead to. */
export function accountPageRoutes(app: Api, { settings }: AccountPageRoutesDeps): void {
  for (const name of Object.keys(ACCOUNT_PAGES) as AccountPageName[]) {
    app.get(
      `/account/${name}`,
      { ...PAGE_ROUTE, helmet: { contentSecurityPolicy: CONTENT_SECURITY_POLICY } },
      (_, reply) =>
        reply
          .type('text/html; charset=utf-8')
          .header('cache-control', 'no-cache')
          .send(renderAccountPage(name, settings.webPage)),
    );
  }

  assetRoutes(app, ASSETS, { path: '/account', directory: 'dist/account', cacheControl: 'no-cache' });
}
