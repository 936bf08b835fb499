import { execa } from 'execa';
import { messageOf } from '../../shared/errors.ts';

const TIMEOUT_MS = 180_000;

/**
 * Gets packages of Python's index, each with a pinned hash.
 *
 * @param args where to put them, and the file of requirements
 * @throws an Error with the reason, such as a host without a network
 */
export async function pip(command: 'download' | 'install', args: readonly string[]): Promise<void> {
  const pinned = ['--no-deps', '--only-binary=:all:', '--require-hashes', '--disable-pip-version-check'];
  const limits = ['--retries', '1', '--timeout', '20'];
  const { failed, exitCode, stderr, cause } = await execa(
    'python3',
    ['-m', 'pip', command, ...pinned, ...limits, ...args],
    { reject: false, stdin: 'ignore', timeout: TIMEOUT_MS },
  );
  if (!failed) return;
  const why = stderr?.split('\n').findLast((line) => line.startsWith('ERROR')) ?? messageOf(cause);
  throw new Error(`'pip ${command}' ended with ${exitCode ?? 'an error'}, perhaps without a network: ${why}`);
}
