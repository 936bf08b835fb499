import { expect, it } from 'vitest';
import { versionReason } from './pocketbase-rollout.ts';

const of = (version: string) => ({ instance: { binary: { version } } });

it.each([
  ['0.39.1', '0.40.6', false, null],
  ['0.40.6', '0.40.6', false, 'it has PocketBase 0.40.6'],
  ['0.40.6', '0.39.1', false, 'newer'],
  ['0.40.6', '0.39.1', true, null],
  ['0.39.1', '0.40.6', true, 'older'],
  ['0.39.11', '0.39.11', true, 'it has PocketBase 0.39.11'],
  // The later one may have changed the tables.
  ['0.41.0', '0.40.6', true, 'it may not read what the later one wrote'],
  ['own-build', '0.40.6', true, null],
])('decides whether a database with %s is changed to %s, back: %s', (now, target, back, reason) => {
  const found = versionReason(of(now), { target, back });
  if (reason === null) expect(found).toBeNull();
  else expect(found).toContain(reason);
});
