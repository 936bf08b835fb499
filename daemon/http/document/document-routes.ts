import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getOpenApi } from '../../../shared/api/daemon.ts';
import { packageRoot } from '../../base/package.ts';
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

/** Allows nothing from other origins and nothing inline. `data:` is for the icons in the style sheet. */
const CONTENT_SECURITY_POLICY = {
  useDefaults: false,
  directives: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", 'data:'],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
};

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

  const hidden = { config: { permission: 'public', whileStarting: true }, schema: { hide: true } } as const;

  app.get('/docs', { ...hidden, helmet: { contentSecurityPolicy: CONTENT_SECURITY_POLICY } }, (_, reply) =>
    reply.type('text/html; charset=utf-8').send(PAGE),
  );

  for (const [name, type] of Object.entries(ASSETS)) {
    app.get(`/docs/${name}`, hidden, async (_, reply) => {
      const content = await readFile(join(packageRoot(), 'dist/docs', name));
      return reply.type(type).header('cache-control', 'public, max-age=3600').send(content);
    });
  }
}
