import { mkdir } from 'node:fs/promises';
import { FathomError } from '../../shared/errors.ts';

/** Makes a directory that only its owner can enter, with its parents. */
export async function makePrivateDir(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new FathomError(
      'data_dir.unusable',
      `cannot make the directory ${path}: ${(error as Error).message}; give it to the user that runs fathomd, or set FATHOM_DATA_DIR`,
      { cause: error },
    );
  }
}
