/** A backup cannot be made, read or trusted. The message says what to do. */
export class BackupProblem extends Error {
  override readonly name = 'BackupProblem';
}
