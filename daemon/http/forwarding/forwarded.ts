import type { IncomingMessage } from 'node:http';
import { NODE_PASS_HEADER, type NodePass, type PassKey, readPass } from '../../keys/node-pass.ts';

const passes = new WeakMap<IncomingMessage, NodePass | { problem: string }>();
const answeredElsewhere = new WeakSet<IncomingMessage>();

/** Reads the pass of a request that another node has forwarded. Call it before anything else reads the request. */
export function receivePass(request: IncomingMessage, key: PassKey, now: Date): NodePass | null {
  const header = request.headers[NODE_PASS_HEADER];
  if (header === undefined) return null;
  passes.set(request, readPass(header, request, key, now));
  return passOf(request);
}

/** What the node says that has forwarded a request; null for a request of a client itself. */
export function passOf(request: IncomingMessage): NodePass | null {
  const pass = passes.get(request);
  return pass === undefined || 'problem' in pass ? null : pass;
}

/** Why a request is refused that says it comes from another node; null for all others. */
export function passProblemOf(request: IncomingMessage): string | null {
  const pass = passes.get(request);
  return pass !== undefined && 'problem' in pass ? pass.problem : null;
}

/** Notes that another node has answered a request, which has recorded it in the audit log. */
export function noteAnsweredElsewhere(request: IncomingMessage): void {
  answeredElsewhere.add(request);
}

export function isAnsweredElsewhere(request: IncomingMessage): boolean {
  return answeredElsewhere.has(request);
}
