import { randomBytes } from 'node:crypto';
import { messageOf } from '../../shared/errors.ts';
import type { Tenant } from '../helpers/fleet-actions.ts';

/** Between two records of one writer: ten writers make 50 records in a second. */
const PAUSE_MS = 200;
/** Before a record is sent again that was not acknowledged. */
const RETRY_MS = 50;
const REQUEST_TIMEOUT_MS = 90_000;

export interface Writer {
  tenant: Tenant;
  /** Ids of records that the database has acknowledged. */
  acknowledged: Set<string>;
  stop(): Promise<void>;
}

/**
 * Writes records as the owner of a database, and repeats each until it is acknowledged. The id is chosen here, so the
 * repetition of a record that was stored without an answer is refused, because it exists.
 */
export function startWriter(tenant: Tenant, port: number): Writer {
  const stopped = new AbortController();
  const acknowledged = new Set<string>();
  const running = write({ tenant, port, acknowledged }, stopped.signal);
  // Reported by `stop`.
  running.catch(() => {});
  return {
    tenant,
    acknowledged,
    stop: () => {
      stopped.abort();
      return running;
    },
  };
}

async function write(
  { tenant, port, acknowledged }: { tenant: Tenant; port: number; acknowledged: Set<string> },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const id = randomBytes(8).toString('hex').slice(0, 15);
    while (!(await isStored(port, tenant.ownerToken, id))) {
      if (signal.aborted) return;
      await pause(RETRY_MS);
    }
    acknowledged.add(id);
    await pause(PAUSE_MS);
  }
}

async function isStored(port: number, token: string, id: string): Promise<boolean> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(`http://127.0.0.1:${port}/api/collections/documents/records`, {
      method: 'POST',
      headers: { authorization: token, 'content-type': 'application/json' },
      body: JSON.stringify({ id, title: `written ${id}` }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    text = await response.text();
  } catch (error) {
    // The process of the database has ended.
    if (/fetch failed|terminated/.test(messageOf(error))) return false;
    throw error;
  }
  if (response.status === 200) return true;
  if (response.status === 400 && /"id":\{"code":"validation_(?:not_unique|pk_invalid)"/.test(text))
    return true;
  if (response.status === 503) return false;
  throw new Error(`a record was refused with ${response.status}: ${text}`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
