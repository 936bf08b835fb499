import type { HoldResult } from '../../pocketbase/process/keeper/keeper-protocol.ts';

/** Why an instance cannot sleep, for an administrator. */
export function sleepProblem(result: Exclude<HoldResult, 'held'>): string {
  return result === 'has_clients'
    ? 'it has open connections (a browser keeps idle ones for some minutes)'
    : "its socket is not held, see 'fathomd doctor' (sockets)";
}
