import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../base/package.ts';
import type { Api } from './serve.ts';

/** Options of routes for pages: everyone may read them, and the API does not document them. */
export const PAGE_ROUTE = {
  config: { permission: 'public', whileStarting: true },
  schema: { hide: true },
} as const;

/** Allows nothing from other origins and nothing inline, and no other page may show this one in a frame. */
export function contentSecurityPolicy(imgSrc: string[]) {
  return {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'"],
      imgSrc,
      connectSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
  };
}

/** Registers scripts and style sheets of a page. @param types media types by file name */
export function assetRoutes(
  app: Api,
  types: Readonly<Record<string, string>>,
  { path, directory, cacheControl }: { path: string; directory: string; cacheControl: string },
): void {
  for (const [name, type] of Object.entries(types)) {
    app.get(`${path}/${name}`, PAGE_ROUTE, async (_, reply) => {
      const content = await readFile(join(packageRoot(), directory, name));
      return reply.type(type).header('cache-control', cacheControl).send(content);
    });
  }
}
