import { expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { Refusals } from './refusals.ts';

it('knows who has refused a database, the first one first, for ten minutes', async () => {
  const time = new ManualTime();
  const refusals = new Refusals(time);
  refusals.note('a', 'n3', 'its disk is full');
  await time.advance(300_000);
  refusals.note('a', 'n2', 'it differs');
  refusals.note('b', 'n4', 'it went offline');
  expect([...refusals.of('a')]).toEqual([
    ['n3', 'its disk is full'],
    ['n2', 'it differs'],
  ]);
  expect(refusals.nodes()).toEqual(new Set(['n2', 'n3', 'n4']));
  refusals.forget('b');
  await time.advance(300_000);
  expect([...refusals.of('a').keys()]).toEqual(['n2']);
  expect(refusals.nodes()).toEqual(new Set(['n2']));
  await time.advance(300_000);
  expect([refusals.of('a').size, refusals.nodes().size]).toEqual([0, 0]);
});
