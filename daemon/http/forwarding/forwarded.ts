import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import {
  NODE_PASS_HEADER,
  type NodePass,
  type PassKey,
  type PassProblem,
  readPass,
} from '../../keys/node-pass.ts';
import { ROLE_HEADER } from '../caller.ts';

const passes = new WeakMap<IncomingMessage, NodePass | PassProblem>();
const answeredElsewhere = new WeakSet<IncomingMessage>();

/** Reads the pass of a request that another node has forwarded. Call it before anything else reads the request. */
export function receivePass(request: IncomingMessage, key: PassKey, now: Date): NodePass | null {
  const header = request.headers[NODE_PASS_HEADER];
  if (header === undefined) return null;
  const { method, url } = request;
  passes.set(request, readPass(header, { method, url, credentials: credentialsOf(request) }, key, now));
  return passOf(request);
}

/** What the node says that has forwarded a request; null for a request of a client itself. */
export function passOf(request: IncomingMessage): NodePass | null {
  const pass = passes.get(request);
  return pass === undefined || 'problem' in pass ? null : pass;
}

/** Why a request is refused that says it comes from another node; null for all others. */
export function passProblemOf(request: IncomingMessage): PassProblem | null {
  const pass = passes.get(request);
  return pass !== undefined && 'problem' in pass ? pass : null;
}

/** SHA-256 of the headers that say who asks, and with which rights. */
export function credentialsOf({ headers }: IncomingMessage): string {
  return hash('sha256', JSON.stringify([headers.authorization, headers[ROLE_HEADER]]), 'base64url');
}

/** Notes that another node has answered a request, which has recorded it in the audit log. */
export function noteAnsweredElsewhere(request: IncomingMessage): void {
  answeredElsewhere.add(request);
}

export function isAnsweredElsewhere(request: IncomingMessage): boolean {
  return answeredElsewhere.has(request);
}
