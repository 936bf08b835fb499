import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { asAccount, OTHER_ACCOUNT, otherAccountProblem } from '../helpers/other-account.ts';

const FIXTURE = join(import.meta.dirname, '..', 'fixtures', 'sandbox', 'hidden-directories.ts');
const isRoot = process.getuid?.() === 0;
const problem = isRoot ? otherAccountProblem() : null;
if (problem !== null) console.log(`SKIPPED test/security/hidden-directories.test.ts: ${problem}`);

// The modes of directories mean nothing to root.
it.skipIf(problem !== null)(
  'counts and removes what a process hides in closed and very deep directories',
  async () => {
    const root = await mkdtemp(join(tmpdir(), 'fathom-hidden-'));
    onTestFinished(() => rm(root, { recursive: true, force: true }));
    if (isRoot) await chown(root, OTHER_ACCOUNT, OTHER_ACCOUNT);
    const [command, ...args] = [
      ...(isRoot ? asAccount(OTHER_ACCOUNT) : []),
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      FIXTURE,
      root,
    ];
    const results = JSON.parse((await execa(command, args)).stdout) as {
      database: number;
      temporary: number;
      former: string[];
      left: string[];
    };
    expect(results.database).toBeGreaterThanOrEqual(4);
    expect(results.temporary).toBeGreaterThanOrEqual(4);
    expect(results).toMatchObject({ former: [], left: [] });
  },
);
