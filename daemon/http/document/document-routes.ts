import { getOpenApi } from '../../../shared/api/daemon.ts';
import { assetRoutes, contentSecurityPolicy, PAGE_ROUTE } from '../pages.ts';
import { type Api, serve } from '../serve.ts';

// Links are relative, because a proxy may serve the API below a path.
const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Fathom API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="docs/viewer.css">
  </head>
  <body>
    <div id="viewer"></div>
    <script src="docs/viewer.js"></script>
  </body>
</html>
`;

const ASSETS = { 'viewer.js': 'text/javascript; charset=utf-8', 'viewer.css': 'text/css; charset=utf-8' };

/** `data:` is for the icons in the style sheet. */
const CONTENT_SECURITY_POLICY = contentSecurityPolicy(["'self'", 'data:']);

export interface DocumentRoutesDeps {
  version: string;
}

/** Registers the OpenAPI document and its viewer `/docs`. */
export function documentRoutes(app: Api, { version }: DocumentRoutesDeps): void {
  let document: Promise<string> | undefined;

  serve(app, getOpenApi, async (_request, reply) => {
    // Loaded on the first request, because most daemons never get one.
    document ??= import('./openapi.ts').then(({ openApiDocument }) =>
      JSON.stringify(openApiDocument(version)),
    );
    return reply.type('application/json').send(await document);
  });

  app.get(
    '/docs',
    { ...PAGE_ROUTE, helmet: { contentSecurityPolicy: CONTENT_SECURITY_POLICY } },
    (_, reply) => reply.type('text/html; charset=utf-8').send(PAGE),
  );

  assetRoutes(app, ASSETS, {
    path: '/docs',
    directory: 'dist/docs',
    cacheControl: 'public, max-age=3600',
  });
}
