import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { unseal } from './envelope.ts';
import { fitOf, guardedSeal, masterKeysOf, opensNothing } from './master-keys.ts';

const [present, former, other] = [randomBytes(32), randomBytes(32), randomBytes(32)];
const masters = masterKeysOf({ aesMasterKey: present, previousAesMasterKey: former });
const [{ id: presentId }, { id: formerId } = { id: '' }] = masters;
const [{ id: otherId }] = masterKeysOf({ aesMasterKey: other, previousAesMasterKey: null });

it.each([
  ['no secrets at all', [], { opened: 0, missing: [] }, false],
  ['secrets of the present key', [[presentId, 2]], { opened: 2, missing: [] }, false],
  ['secrets of the former key alone', [[formerId, 3]], { opened: 3, missing: [] }, false],
  [
    'secrets of the present and of another key',
    [
      [presentId, 1],
      [otherId, 4],
    ],
    { opened: 1, missing: [{ id: otherId, count: 4 }] },
    false,
  ],
  ['secrets of another key', [[otherId, 5]], { opened: 0, missing: [{ id: otherId, count: 5 }] }, true],
] as const)('judges %s', (_what, use, fit, nothing) => {
  const found = fitOf(masters, new Map(use));
  expect(found).toEqual(fit);
  expect(opensNothing(found)).toBe(nothing);
});

it('seals with the present key while a configured key opens something, or nothing is stored', () => {
  for (const use of [null, new Map<string, number>(), new Map([[formerId, 1]])]) {
    const envelope = guardedSeal(masters, () => use)(Buffer.from('value'), 'table/row/field');
    expect(unseal([masters[0]], envelope, 'table/row/field').toString()).toBe('value');
  }
});

it('seals nothing while no configured key opens anything', () => {
  const seal = guardedSeal(masters, () => new Map([[otherId, 1]]));
  expect(() => seal(Buffer.from('value'), 'table/row/field')).toThrow(
    expect.objectContaining({ code: 'secret.undecryptable', message: expect.stringContaining(otherId) }),
  );
});
