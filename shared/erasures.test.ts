import { expect, it } from 'vitest';
import { erasureProblem } from './erasures.ts';

it.each([
  [0, null, undefined],
  // It has just begun.
  [1, null, undefined],
  [1, 'the target is away', '1 deleted database is not erased completely: the target is away'],
  [3, 'the target is away', '3 deleted databases are not erased completely: the target is away'],
])('with %s pending erasures and the problem %s, the problem is %s', (erasures_pending, problem, text) => {
  expect(erasureProblem({ erasures_pending, problem })?.text).toBe(text);
});
