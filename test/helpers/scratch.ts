import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** An empty directory for one test, gone at its end. */
export async function scratch(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'fathom-unit-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}
