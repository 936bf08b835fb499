import { describe, expect, it } from 'vitest';
import { type DatabaseFacts, describeLoss, hasSameSchema, normalizeIndex } from './facts.ts';

const FACTS: DatabaseFacts = {
  migrations: ['1_init.js'],
  rows: { notes: 2, users: 1 },
  rules: { notes: '[null]', users: '[""]', view: '[""]' },
  definitions: { notes: 'a', users: 'b', view: 'c' },
  indexes: ['create index one on notes(title)'],
  schema: 's',
  owner: 'o',
};

describe('what a change of PocketBase must keep', () => {
  it.each<[string, Partial<DatabaseFacts>, RegExp]>([
    ['rows', { rows: { notes: 1, users: 1 } }, /notes has 1 rows, before the change 2/],
    ['collections', { rows: { users: 1 } }, /notes is gone/],
    ['views', { rules: { notes: '[null]', users: '[""]' } }, /view is gone/],
    ['rules', { rules: { ...FACTS.rules, notes: '[""]' } }, /rules of notes/],
    ['indexes', { indexes: [] }, /index is gone/],
    ['the account of the owner', { owner: null }, /owner/],
  ])('%s', (_what, changes, message) => {
    expect(describeLoss(FACTS, { ...FACTS, ...changes })).toMatch(message);
  });

  it('accepts more migrations, fields and indexes, which only the version before cannot use', () => {
    const after = {
      ...FACTS,
      migrations: ['1_init.js', '2_system.go'],
      indexes: [...FACTS.indexes, 'create index two on notes(title)'],
      definitions: { ...FACTS.definitions, notes: 'd' },
    };
    expect(describeLoss(FACTS, after)).toBeNull();
    expect(hasSameSchema(FACTS, after)).toBe(false);
  });
});

it('a schema is the same when only rows or the account differ', () => {
  expect(hasSameSchema(FACTS, { ...FACTS, rows: { notes: 9, users: 1 }, owner: 'p' })).toBe(true);
});

it('an index is the same in the form that PocketBase gives it', () => {
  expect(normalizeIndex('create INDEX  idx_n on notes (n, `m`)')).toBe(
    normalizeIndex('CREATE INDEX IF NOT EXISTS `idx_n` ON `notes` (\n  `n`,\n  `m`\n)'),
  );
});
