import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FathomError } from '../../shared/errors.ts';
import { packageRoot } from '../base/package.ts';
import type { LiveSettings } from '../config/live-settings.ts';
import { contentSecurityPolicy, PAGE_ROUTE } from './pages.ts';
import type { Api } from './serve.ts';

const DIRECTORY = 'dist/web';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The build writes each file in these forms, the smallest first. */
const ENCODINGS = [
  { name: 'br', suffix: '.br' },
  { name: 'gzip', suffix: '.gz' },
] as const;

const { useDefaults, directives } = contentSecurityPolicy(["'self'", 'data:']);
const CONTENT_SECURITY_POLICY = {
  useDefaults,
  // The page builds its elements without HTML texts: a script that does is refused by the browser.
  directives: { ...directives, requireTrustedTypesFor: ["'script'"], trustedTypes: ["'none'"] },
};

export interface WebPageRoutesDeps {
  settings: LiveSettings;
}

/** Registers the page of owners: `/` and its assets, whose names contain a hash of their content. */
export function webPageRoutes(app: Api, { settings }: WebPageRoutesDeps): void {
  let assets: ReadonlySet<string> | undefined;
  const knows = (name: string): boolean => {
    assets ??= new Set(readdirSync(join(packageRoot(), DIRECTORY, 'assets')));
    return TYPES[extname(name)] !== undefined && assets.has(name);
  };

  app.get(
    '/',
    { ...PAGE_ROUTE, helmet: { contentSecurityPolicy: CONTENT_SECURITY_POLICY } },
    (request, reply) => {
      if (!settings.webPage)
        throw new FathomError('not_found', 'the page is switched off (FATHOM_WEB); see /openapi.json');
      return send('index.html', 'no-cache', request, reply);
    },
  );
  app.get<{ Params: { name: string } }>('/assets/:name', PAGE_ROUTE, (request, reply) => {
    const { name } = request.params;
    if (!settings.webPage || !knows(name)) throw new FathomError('not_found', 'there is no such file');
    return send(`assets/${name}`, 'public, max-age=31536000, immutable', request, reply);
  });
}

async function send(
  file: string,
  cacheControl: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const accepted = acceptedEncodings(request.headers['accept-encoding'] ?? '');
  const encoding = ENCODINGS.find(({ name }) => accepted.has(name));
  if (encoding) void reply.header('content-encoding', encoding.name);
  void reply.headers({ 'cache-control': cacheControl, vary: 'accept-encoding' });
  const content = await readFile(join(packageRoot(), DIRECTORY, file + (encoding?.suffix ?? '')));
  return reply.type(TYPES[extname(file)] ?? '').send(content);
}

/** @param header like `gzip, br;q=0.5, deflate;q=0` */
function acceptedEncodings(header: string): Set<string> {
  const entries = header.split(',').map((entry) => entry.split(';').map((part) => part.trim().toLowerCase()));
  return new Set(
    entries.flatMap(([name = '', quality = '']) => (/^q=0(?:\.0*)?$/.test(quality) ? [] : [name])),
  );
}
