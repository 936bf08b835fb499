import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { isToken } from './hook-token.ts';

/** The request header of a pass. */
export const NODE_PASS_HEADER = 'fathom-node-pass';

/** How long a pass is good. It includes the difference of both clocks. */
const GOOD_MS = 60_000;

const passSchema = z.object({
  from: z.string(),
  to: z.string(),
  fleet: z.string(),
  at: z.iso.datetime(),
  method: z.string(),
  url: z.string(),
  /** SHA-256 of the body; empty without one. */
  body: z.string(),
  /** SHA-256 of the headers that say who asks, and with which rights. */
  credentials: z.string(),
  request_id: z.string(),
  /** The client as the first node sees it; empty for the local socket. */
  client: z.string(),
  /** Whether the client is an administrator on the local socket of the first node, and its user there. */
  local: z.object({ uid: z.int().nullable() }).nullable(),
});

/** What a node says of a request that it forwards. */
export type NodePass = z.infer<typeof passSchema>;

export interface PassKey {
  key: Uint8Array;
  node: string;
  fleet: string;
}

export function writePass(
  pass: Omit<NodePass, 'from' | 'fleet' | 'at'>,
  { key, node, fleet }: PassKey,
  now: Date,
): string {
  const whole: NodePass = { ...pass, from: node, fleet, at: now.toISOString() };
  const text = Buffer.from(JSON.stringify(whole)).toString('base64url');
  return `${text}.${macOf(text, key)}`;
}

/** Why a pass is refused. */
export interface PassProblem {
  problem: string;
  /** Whether a node of this fleet has written it. */
  isSigned: boolean;
}

/** Returns the pass of a request, or why it is refused. */
export function readPass(
  header: unknown,
  request: { method?: string | undefined; url?: string | undefined; credentials: string },
  { key, node, fleet }: PassKey,
  now: Date,
): NodePass | PassProblem {
  const [text = '', mac] = String(header).split('.');
  if (!isToken(mac, macOf(text, key)))
    return { problem: 'no node of this fleet has written it', isSigned: false };
  const pass = passSchema.safeParse(JSON.parse(Buffer.from(text, 'base64url').toString()));
  if (!pass.success) return refused('a node with another release of Fathom has written it');
  const { to, fleet: of, at, method, url, from } = pass.data;
  if (Math.abs(now.getTime() - Date.parse(at)) > GOOD_MS)
    return refused(`the clocks of ${from} and ${node} differ by more than a minute; synchronize them`);
  const isForThis =
    to === node &&
    of === fleet &&
    method === request.method &&
    url === request.url &&
    pass.data.credentials === request.credentials;
  return isForThis ? pass.data : refused('it belongs to another request');
}

function refused(problem: string): PassProblem {
  return { problem, isSigned: true };
}

function macOf(text: string, key: Uint8Array): string {
  return createHmac('sha256', key).update(text).digest('base64url');
}
