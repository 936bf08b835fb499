import { describe, expect, it } from 'vitest';
import {
  formatChoice,
  hasApplication,
  isChosen,
  namesOf,
  withApplication,
  withoutApplication,
} from './choice.ts';

const IN_DIRECTORY = ['crm', 'shop'];

describe('a choice of applications', () => {
  it.each([
    [null, '*,documents'],
    [[], 'documents'],
    [['shop', 'crm', 'shop'], 'crm,documents,shop'],
  ])('of %j is %s', (names, choice) => {
    expect(formatChoice(names)).toBe(choice);
  });

  it('has what it names, and with `*` what is in the directory', () => {
    expect(hasApplication('documents', 'shop', IN_DIRECTORY)).toBe(false);
    expect(hasApplication('documents,shop', 'shop', [])).toBe(true);
    expect(hasApplication('*,documents', 'shop', IN_DIRECTORY)).toBe(true);
    expect(hasApplication('*,documents', 'work-items', IN_DIRECTORY)).toBe(false);
    expect(namesOf('*,documents,work-items', IN_DIRECTORY)).toEqual([
      'crm',
      'documents',
      'shop',
      'work-items',
    ]);
  });

  it('also has applications whose files are gone, and those of the package only by name', () => {
    expect(isChosen('*,documents', 'shop', false)).toBe(true);
    expect(isChosen('documents,shop', 'shop', false)).toBe(true);
    expect(isChosen('documents,shop', 'crm', false)).toBe(false);
    expect(isChosen('*,documents', 'work-items', true)).toBe(false);
    expect(isChosen('*,documents,work-items', 'work-items', true)).toBe(true);
  });

  it('gains and loses one', () => {
    expect(withApplication('documents', 'crm')).toBe('crm,documents');
    expect(withApplication('*,documents', 'work-items')).toBe('*,documents,work-items');
    expect(withoutApplication('documents,shop', 'shop', IN_DIRECTORY)).toBe('documents');
    expect(withoutApplication('*,documents', 'shop', IN_DIRECTORY)).toBe('crm,documents');
    expect(withoutApplication('*,documents,work-items', 'work-items', IN_DIRECTORY)).toBe('*,documents');
  });
});
