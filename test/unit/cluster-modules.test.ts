import { readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
/** Imports that run code; those of types alone do not, nor do imports on demand. */
const LOADING = /^(?:import|export) (?!type )[^;]*?from '(\.[^']+)';|^import '(\.[^']+)';/gm;

/** Every file that is loaded with `entry`. */
function loadedWith(entry: string): Set<string> {
  const loaded = new Set<string>();
  const next = [entry];
  for (let file = next.pop(); file !== undefined; file = next.pop()) {
    if (loaded.has(file)) continue;
    loaded.add(file);
    for (const [, from, alone] of readFileSync(join(ROOT, file), 'utf8').matchAll(LOADING))
      next.push(posix.normalize(posix.join(dirname(file), from ?? alone ?? '')));
  }
  return loaded;
}

const ofCluster = (files: Iterable<string>) =>
  [...files].filter((file) => file.startsWith('daemon/cluster/'));

it.each([
  'daemon/main.ts',
  'daemon/daemon.ts',
  'daemon/host/doctor/facts/gather.ts',
  'daemon/cli/host/doctor.ts',
])('%s loads no module of the cluster', (entry) => {
  expect(ofCluster(loadedWith(entry))).toEqual([]);
});

it('finds modules that are loaded', () => {
  const files = loadedWith('daemon/cluster/open-cluster.ts');
  expect(ofCluster(files)).toContain('daemon/cluster/etcd/gateway.ts');
  expect(loadedWith('daemon/daemon.ts').size).toBeGreaterThan(200);
});
