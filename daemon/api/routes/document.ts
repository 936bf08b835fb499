import { getOpenApi } from '../../../shared/api/daemon.ts';
import type { ApiDeps } from '../deps.ts';
import { serve } from '../serve.ts';
import type { Api } from '../server.ts';

/** The description of the API. */
export function documentRoutes(app: Api, { version }: ApiDeps): void {
  let document: Promise<string> | undefined;

  serve(app, getOpenApi, async (_request, reply) => {
    // Loaded and built when it is first asked for: most daemons never are.
    document ??= import('../openapi.ts').then(({ openApiDocument }) =>
      JSON.stringify(openApiDocument(version)),
    );
    return reply.type('application/json').send(await document);
  });
}
