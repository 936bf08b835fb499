import type { HoldResult } from '../../pocketbase/process/keeper/keeper-protocol.ts';

/** Why an instance cannot sleep, for an administrator. */
export function sleepProblem(name: string, result: Exclude<HoldResult, 'held'>): string {
  switch (result) {
    case 'has_clients':
      return 'it has connections with a request in progress, or was used in the last second; try again later';
    case 'has_quiet_clients':
      return `it has open connections without a request in progress: of browsers, which keep them for some minutes, or of realtime clients, which connect again; 'fathomd databases sleep ${name} --force' closes them`;
    case 'in_use':
    case 'unsupported':
      return "its socket is not held, see 'fathomd doctor' (sockets)";
  }
}
