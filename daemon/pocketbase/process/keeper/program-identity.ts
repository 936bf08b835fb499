import { statSync } from 'node:fs';
import { modulePath } from '../../../base/package.ts';

/** The program of the keeper. */
export const KEEPER_PROGRAM = modulePath('daemon/pocketbase/process/keeper/keeper-main');

/** The arguments of Node for the keeper. */
export const NODE_ARGS = ['--max-semi-space-size=1', '--disable-warning=ExperimentalWarning'];

/** Differs between releases, and between builds of one release. */
export function programIdentity(): string {
  const { mtimeMs, size } = statSync(KEEPER_PROGRAM);
  return `${KEEPER_PROGRAM} ${mtimeMs} ${size}`;
}
