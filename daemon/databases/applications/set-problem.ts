import type { MigrationProblem } from '../../../shared/api/migrations.ts';

/** Why a set of applications cannot be read. */
export class SetProblem extends Error {
  readonly problem: MigrationProblem;

  constructor(code: MigrationProblem['code'], file: string | null, message: string) {
    super(message);
    this.problem = { code, file, line: null, message };
  }
}
