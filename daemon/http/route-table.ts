import type { FastifyReply, FastifyRequest } from 'fastify';
import { FathomError } from '../../shared/errors.ts';
import type { RoutePermission } from './caller.ts';

interface Route {
  methods: readonly string[];
  matches: RegExp;
}

/** Which methods a path has, for requests that no route answers. */
export class RouteTable {
  readonly #routes: Route[] = [];

  /** @param url as the router knows it, with parameters like `:id` */
  add(methods: string | readonly string[], url: string, permission: RoutePermission): void {
    // The routes of hooks do not exist for strangers.
    if (permission === 'hook') return;
    const pattern = url.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replace(/:\w+/g, '[^/]+');
    this.#routes.push({ methods: [methods].flat(), matches: new RegExp(`^${pattern}$`) });
  }

  /** In the order of the alphabet, with OPTIONS; empty where there is no such path. */
  methodsOf(path: string): string[] {
    const methods = this.#routes
      .filter(({ matches }) => matches.test(path))
      .flatMap((route) => route.methods);
    return methods.length === 0 ? [] : [...new Set([...methods, 'OPTIONS'])].toSorted();
  }

  /** Answers OPTIONS. @throws FathomError `not_found`, or `request.method_not_allowed` with the header Allow */
  answer(request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const path = request.url.split('?')[0] ?? '';
    const allowed = this.methodsOf(path);
    if (allowed.length === 0) throw new FathomError('not_found', this.#notFound(request.method, path));
    void reply.header('allow', allowed.join(', '));
    if (request.method === 'OPTIONS') return reply.code(204).send();
    throw new FathomError(
      'request.method_not_allowed',
      `${path} does not take ${request.method}, only ${allowed.join(', ')}; see /openapi.json`,
    );
  }

  #notFound(method: string, path: string): string {
    // The two are not the same: a DELETE of one thing whose id is missing would be a DELETE of all of them.
    const bare = path.replace(/\/+$/, '');
    const hint = bare !== path && this.methodsOf(bare).length > 0 ? `remove the slash after ${bare}` : null;
    return `there is no ${method} ${path}; ${hint ?? 'see /openapi.json'}`;
  }
}
