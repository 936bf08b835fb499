import { join, resolve } from 'node:path';
import type { FieldError } from '../../shared/errors.ts';
import { type ConfigInput, readSources } from './sources/sources.ts';
import { SETTINGS } from './sources/variables.ts';

/** What a client of the daemon on the same host needs: no secrets, and nothing that must be valid for it. */
export interface ClientConfig {
  dataDir: string;
  socketPath: string;
  /** Of the file that was named and cannot be read. */
  problems: readonly FieldError[];
}

export function loadClientConfig(input: ConfigInput): ClientConfig {
  const { dataDir, get, problems } = readSources(input);
  const socket = get('FATHOM_SOCKET')?.trim();
  return {
    dataDir,
    problems,
    socketPath:
      socket === undefined ? join(dataDir, SETTINGS.FATHOM_SOCKET.default) : resolve(input.cwd, socket),
  };
}
