import type { FastifyReply, FastifyRequest } from 'fastify';
import { FathomError } from '../../shared/errors.ts';
import type { RoutePermission } from './caller.ts';

interface Route {
  methods: readonly string[];
  matches: RegExp;
}

/** Knows the methods of each path, for requests that match no route. */
export class RouteTable {
  readonly #routes: Route[] = [];

  /** @param url with parameters like `:id` */
  add(methods: string | readonly string[], url: string, permission: RoutePermission): void {
    // Other callers must not learn that the routes of hooks exist.
    if (permission === 'hook') return;
    const pattern = url.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replace(/:\w+/g, '[^/]+');
    this.#routes.push({ methods: [methods].flat(), matches: new RegExp(`^${pattern}$`) });
  }

  /** Returns the methods in alphabetical order, with OPTIONS; empty for an unknown path. */
  methodsOf(path: string): string[] {
    const methods = this.#routes
      .filter(({ matches }) => matches.test(path))
      .flatMap((route) => route.methods);
    return methods.length === 0 ? [] : [...new Set([...methods, 'OPTIONS'])].toSorted();
  }

  /** Responds to OPTIONS. @throws FathomError `not_found`, or `request.method_not_allowed` with the header Allow */
  answer(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const path = request.url.split('?')[0] ?? '';
    const allowed = this.methodsOf(path);
    if (allowed.length === 0) throw new FathomError('not_found', this.#notFound(request.method, path));
    void reply.header('allow', allowed.join(', '));
    if (request.method === 'OPTIONS') return reply.code(204).send();
    throw new FathomError(
      'request.method_not_allowed',
      `${path} does not support ${request.method}, only ${allowed.join(', ')}; see /openapi.json`,
    );
  }

  #notFound(method: string, path: string): string {
    // A trailing slash is not ignored: DELETE of an item with an empty id would become DELETE of the whole list.
    const bare = path.replace(/\/+$/, '');
    const hint = bare !== path && this.methodsOf(bare).length > 0 ? `remove the slash after ${bare}` : null;
    return `there is no ${method} ${path}; ${hint ?? 'see /openapi.json'}`;
  }
}
