import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { unseal } from './envelope.ts';
import { guardedSeal, masterKeysOf, matchKeys, opensNothing } from './master-keys.ts';

const [current, previous, other] = [randomBytes(32), randomBytes(32), randomBytes(32)];
const masters = masterKeysOf({ aesMasterKey: current, previousAesMasterKey: previous });
const [{ id: currentId }, { id: previousId } = { id: '' }] = masters;
const [{ id: otherId }] = masterKeysOf({ aesMasterKey: other, previousAesMasterKey: null });

it.each([
  ['no secrets at all', [], { opened: 0, missing: [] }, false],
  ['secrets of the current key', [[currentId, 2]], { opened: 2, missing: [] }, false],
  ['only secrets of the previous key', [[previousId, 3]], { opened: 3, missing: [] }, false],
  [
    'secrets of the current key and of another key',
    [
      [currentId, 1],
      [otherId, 4],
    ],
    { opened: 1, missing: [{ id: otherId, count: 4 }] },
    false,
  ],
  ['secrets of another key', [[otherId, 5]], { opened: 0, missing: [{ id: otherId, count: 5 }] }, true],
] as const)('matches %s', (_what, use, expected, isWrongKey) => {
  const match = matchKeys(masters, new Map(use));
  expect(match).toEqual(expected);
  expect(opensNothing(match)).toBe(isWrongKey);
});

it('seals with the current key while a configured key opens a secret, or none is stored', () => {
  for (const use of [null, new Map<string, number>(), new Map([[previousId, 1]])]) {
    const envelope = guardedSeal(masters, () => use)(Buffer.from('value'), 'table/row/field');
    expect(unseal([masters[0]], envelope, 'table/row/field').toString()).toBe('value');
  }
});

it('refuses to seal while no configured key opens any stored secret', () => {
  const seal = guardedSeal(masters, () => new Map([[otherId, 1]]));
  expect(() => seal(Buffer.from('value'), 'table/row/field')).toThrow(
    expect.objectContaining({ code: 'secret.undecryptable', message: expect.stringContaining(otherId) }),
  );
});
