import { expect, it } from 'vitest';
import { chooseResolution } from './interrupted-change.ts';

const release = (name: string) => ({ name, version: name });
const links = (current: string, fallback: string, previous: string | null) => ({
  current: release(current),
  fallback: release(fallback),
  previous: previous === null ? null : release(previous),
});

it.each([
  ['an upgrade before it switched', links('1', '1', null), 'undo', 'undo'],
  ['a first upgrade while the new release was watched', links('2', '1', null), 'finish', 'undo'],
  ['a later upgrade while the new release was watched', links('3', '2', '1'), 'finish', 'undo'],
  ['a rollback before it switched', links('2', '2', '1'), 'undo', 'undo'],
  ['a rollback while the previous release was watched', links('1', '2', '1'), 'finish', 'finish'],
  ['the return from a release that did not become ready', links('2', '2', '1'), 'undo', 'undo'],
] as const)('resolves %s', (_interrupted, left, forward, back) => {
  expect([chooseResolution(left, 'forward'), chooseResolution(left, 'back')]).toEqual([forward, back]);
});
