import { readFile } from 'node:fs/promises';
import { messageOf } from '../../../shared/errors.ts';
import { UsageError } from '../input/usage-error.ts';

/** Reads the file of `--recovery-key`. @throws UsageError */
export async function readRecoveryKeyFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UsageError(
      `cannot read the recovery key (${messageOf(error)}); name the file that contains it`,
    );
  }
}
