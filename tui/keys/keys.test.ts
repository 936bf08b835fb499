import { describe, expect, it } from 'vitest';
import { BINDINGS, COPY_KEYS } from './bindings.ts';
import { commandOf, GROUPS_OF, type Place } from './places.ts';
import { type KeyFlags, pressesOf } from './presses.ts';

const PLACES = Object.keys(GROUPS_OF) as Place[];
const NO_FLAGS: KeyFlags = {
  upArrow: false,
  downArrow: false,
  leftArrow: false,
  rightArrow: false,
  pageUp: false,
  pageDown: false,
  home: false,
  end: false,
  return: false,
  escape: false,
  tab: false,
  backspace: false,
  delete: false,
  ctrl: false,
  meta: false,
};

describe('the key table', () => {
  it.each(PLACES)('has no key twice in %s', (place) => {
    const keys = BINDINGS.filter(({ group }) => GROUPS_OF[place].includes(group)).flatMap((one) => one.keys);
    expect(keys.filter((key, index) => keys.indexOf(key) !== index)).toEqual([]);
  });

  it('has a help text for every key and a place for every group', () => {
    for (const { help } of BINDINGS) expect(help).not.toBe('');
    const active = new Set(Object.values(GROUPS_OF).flat());
    expect(BINDINGS.filter(({ group }) => !active.has(group))).toEqual([]);
  });

  it('has no key of the copy dialog twice', () => {
    const dialog = BINDINGS.filter(({ group }) => GROUPS_OF.copy.includes(group)).flatMap((one) => one.keys);
    expect(Object.values(COPY_KEYS).filter((key) => dialog.includes(key))).toEqual([]);
  });

  it('confirms only with y', () => {
    const yes = BINDINGS.filter(({ command }) => command === 'confirm.yes').flatMap(({ keys }) => keys);
    expect(yes).toEqual(['y']);
    expect(commandOf('confirm', 'enter')).toBeNull();
    expect(commandOf('confirm', 'r')).toBeNull();
  });

  it.each(PLACES)('can be left from %s', (place) => {
    expect(commandOf(place, 'ctrl+c')).toBe('interrupt');
  });
});

describe('pressesOf', () => {
  it('splits keys that arrive together', () => {
    expect(pressesOf('jj G\r', NO_FLAGS)).toEqual(['j', 'j', 'space', 'G', 'enter']);
    expect(pressesOf('日👩‍🚀', NO_FLAGS)).toEqual(['日', '👩‍🚀']);
  });

  it('recognizes control keys among them', () => {
    expect(pressesOf('\u0015a\u007F\u007F\u001B', NO_FLAGS)).toEqual([
      'ctrl+u',
      'a',
      'backspace',
      'backspace',
      'esc',
    ]);
  });

  it('reads Meta as an Esc before the key', () => {
    expect(pressesOf('q', { ...NO_FLAGS, meta: true })).toEqual(['esc', 'q']);
    expect(pressesOf('', { ...NO_FLAGS, meta: true, return: true })).toEqual(['esc', 'enter']);
    expect(pressesOf('', { ...NO_FLAGS, meta: true, upArrow: true })).toEqual(['up']);
  });

  it('names keys without a character', () => {
    expect(pressesOf('', { ...NO_FLAGS, pageDown: true })).toEqual(['pagedown']);
    expect(pressesOf('c', { ...NO_FLAGS, ctrl: true })).toEqual(['ctrl+c']);
    expect(pressesOf('', { ...NO_FLAGS, escape: true, meta: true })).toEqual(['esc']);
  });
});
