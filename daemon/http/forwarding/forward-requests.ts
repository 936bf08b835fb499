import { createHash } from 'node:crypto';
import { type IncomingMessage, request as sendRequest } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { NODE_PASS_HEADER, writePass } from '../../keys/node-pass.ts';
import { ROLE_HEADER } from '../caller.ts';
import { clientAddress } from '../client-address.ts';
import { peerUserOf } from '../listen/peer.ts';
import type { Api } from '../serve.ts';
import { credentialsOf, noteAnsweredElsewhere, passOf } from './forwarded.ts';
import type { Forwarding } from './forwarding.ts';

const CONNECT_MS = 3_000;
/** For operations that do not say how long they take. */
const ANSWER_MS = 30_000;
const RETRY_S = 5;

/** Request headers that the other node gets, beside its pass. */
const SENT: readonly string[] = [
  'accept',
  'authorization',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'range',
  'user-agent',
  ROLE_HEADER,
];

/** Response headers of the connection, and those that this node sets itself. */
const OWN = new Set(['connection', 'date', 'keep-alive', 'transfer-encoding', 'vary', 'x-request-id']);
const OWN_PREFIX = /^(?:access-control|x-ratelimit)-/;

export interface ForwardDeps {
  forwarding: Forwarding;
  trustedProxies: readonly string[];
}

/**
 * Lets another node answer the requests that are its own, after this one has read the body and checked the permission. The other
 * node checks the request as one of the client. A forwarded request is not forwarded again.
 */
export function forwardRequests(app: Api, deps: ForwardDeps): void {
  const { forwarding } = deps;
  app.addHook('preValidation', async (request, reply) => {
    const pass = passOf(request.raw);
    if (pass !== null && pass.body !== hashOf(bodyOf(request)))
      throw unavailable('the body is not the one that the other node has forwarded', RETRY_S);
    const { answeredBy = 'each' } = request.routeOptions.config;
    const node = forwarding.nodeFor(answeredBy, request.params as Record<string, unknown>);
    if (node === null) return;
    if (pass !== null)
      throw unavailable(`node ${node} answers this now, and not ${forwarding.passKey.node}; try again`, 1);
    return forward(request, reply, node, deps);
  });
}

async function forward(
  request: FastifyRequest,
  reply: FastifyReply,
  node: string,
  { forwarding, trustedProxies }: ForwardDeps,
): Promise<FastifyReply> {
  const place = await forwarding.locate(node);
  const { method, url, caller } = request;
  const body = bodyOf(request);
  const pass = writePass(
    {
      to: node,
      method,
      url,
      body: hashOf(body),
      credentials: credentialsOf(request.raw),
      request_id: request.id,
      client: clientAddress(request.raw, trustedProxies),
      local: caller?.kind === 'local' ? { uid: peerUserOf(request.raw.socket) } : null,
    },
    forwarding.passKey,
    forwarding.clock.now(),
  );
  const headers: Record<string, string | number> = { [NODE_PASS_HEADER]: pass };
  for (const name of SENT) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  if (body !== null) {
    headers['content-type'] = 'application/json';
    headers['content-length'] = Buffer.byteLength(body);
  }
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  const { timeoutMs = ANSWER_MS } = request.routeOptions.config;
  const response = await send(
    { node, ...place },
    { method, url, headers, body, signal: gone.signal, timeoutMs },
  );
  noteAnsweredElsewhere(request.raw);
  for (const [name, value] of Object.entries(response.headers))
    if (value !== undefined && !OWN.has(name) && !OWN_PREFIX.test(name)) void reply.header(name, value);
  return reply.code(response.statusCode ?? 502).send(response);
}

/** As it was sent: it is not validated yet. */
function bodyOf({ body }: FastifyRequest): string | null {
  return body === undefined ? null : JSON.stringify(body);
}

function hashOf(body: string | null): string {
  return body === null ? '' : createHash('sha256').update(body).digest('base64url');
}

/** Resolves with the response when its headers have arrived. @throws FathomError `cluster.unavailable` */
function send(
  { node, address, port }: { node: string; address: string; port: number },
  {
    method,
    url,
    headers,
    body,
    signal,
    timeoutMs,
  }: {
    method: string;
    url: string;
    headers: Record<string, string | number>;
    body: string | null;
    signal: AbortSignal;
    timeoutMs: number;
  },
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let isConnected = false;
    // A kept connection may have ended, and a change must not be sent twice.
    const sent = sendRequest({ host: address, port, method, path: url, headers, agent: false, signal });
    const limit = (ms: number) =>
      setTimeout(() => sent.destroy(new Error(`no answer within ${ms / 1000} s`)), ms);
    let timer = limit(CONNECT_MS);
    sent.once('socket', (socket) => {
      socket.setKeepAlive(true, CONNECT_MS);
      socket.once('connect', () => {
        isConnected = true;
        clearTimeout(timer);
        timer = limit(timeoutMs);
      });
    });
    sent.once('response', (response) => {
      clearTimeout(timer);
      resolve(response);
    });
    sent.once('error', (error) => {
      clearTimeout(timer);
      const problem = isConnected
        ? `the connection to node ${node} ended before its answer (${messageOf(error)}); the request may have been carried out there: look, then try again`
        : `node ${node} answers this, and its API cannot be reached at ${address} port ${port} (${messageOf(error)}); check its daemon, SERVER_HOST and FATHOM_NODE_ADDRESS`;
      reject(unavailable(problem, RETRY_S, error));
    });
    sent.end(body ?? undefined);
  });
}

function unavailable(message: string, retryAfterS: number, cause?: unknown): FathomError {
  return new FathomError('cluster.unavailable', message, { retryAfterS, cause });
}
