import { modulePath } from '../../base/package.ts';
import type { Adopted } from '../../databases/owner/adopt-database.ts';
import { SqlProcesses } from '../../pocketbase/data/sql-processes.ts';
import type { CarriedRows } from './carry-over.ts';
import type { DatabaseFacts } from './facts.ts';
import type { RowPage, readColumns } from './read-rows.ts';

const PROGRAM = modulePath('daemon/rollouts/data/database-thread-main');

/** `file` is a `data.db`. */
export type ThreadWork =
  /** Starts the process. */
  | { kind: 'none'; file: '' }
  | { kind: 'facts'; file: string; ownerId: string }
  | { kind: 'check'; file: string }
  /** See `endSessions`. */
  | { kind: 'end-sessions'; file: string }
  /** See `adoptDatabase`. */
  | { kind: 'adopt'; file: string; ownerId: string }
  /** See `removeSecrets`. */
  | { kind: 'remove-secrets'; file: string }
  | { kind: 'vacuum'; file: string; target: string }
  /** See `readColumns`. */
  | { kind: 'columns'; file: string; collection: string }
  /** See `readRows`. */
  | { kind: 'rows'; file: string; collection: string; after: string | null }
  | { kind: 'carry'; file: string; from: string };

interface Results {
  none: null;
  facts: DatabaseFacts;
  /** `ok`, or the first problem. */
  check: string;
  'end-sessions': null;
  adopt: Adopted;
  'remove-secrets': null;
  vacuum: null;
  columns: ReturnType<typeof readColumns>;
  rows: RowPage;
  carry: CarriedRows;
}

/** SQL on databases of users, which takes long for many rows: in threads of other processes, see `SqlProcesses`. */
export class DatabaseThread {
  readonly #processes: SqlProcesses;

  /** @param timeoutOf see `SqlProcesses` */
  constructor(timeoutOf?: (bytes: number) => number) {
    this.#processes = new SqlProcesses(PROGRAM, timeoutOf);
  }

  /** @throws the error of SQLite as text */
  run<const W extends ThreadWork>(work: W): Promise<Results[W['kind']]> {
    return this.#processes.run(work) as Promise<Results[W['kind']]>;
  }

  /** Starts a process, if none is idle. Work that clients wait for then begins at once. */
  async prepare(): Promise<void> {
    await this.run({ kind: 'none', file: '' });
  }

  /** Ends the processes. The next call starts another one. */
  close(): Promise<void> {
    return this.#processes.close();
  }
}
