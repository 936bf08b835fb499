import { chmod } from 'node:fs/promises';
import { messageOf } from '../../../shared/errors.ts';
import { removeTree } from '../../base/files/remove-tree.ts';
import type { Finding, Fix } from './finding.ts';

export interface Fixed {
  fix: Fix;
  /** Why it failed; null when it was applied. */
  problem: string | null;
}

/** Applies the fixes of all findings in their order. A fix that fails does not stop the others. */
export async function applyFixes(findings: readonly Finding[]): Promise<Fixed[]> {
  const done: Fixed[] = [];
  for (const fix of findings.flatMap(({ fixes }) => fixes ?? [])) {
    try {
      await apply(fix);
      done.push({ fix, problem: null });
    } catch (error) {
      done.push({ fix, problem: messageOf(error) });
    }
  }
  return done;
}

async function apply(fix: Fix): Promise<void> {
  if (fix.kind === 'chmod') await chmod(fix.path, fix.mode);
  else await removeTree(fix.path);
}

export function describeFix(fix: Fix): string {
  return fix.kind === 'chmod'
    ? `chmod ${fix.mode.toString(8).padStart(4, '0')} ${fix.path}`
    : `removed ${fix.path}`;
}
