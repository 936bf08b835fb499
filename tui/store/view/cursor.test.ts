import { describe, expect, it } from 'vitest';
import { cursorIndex, moveCursor, TOP_OF_LIST, visibleTop } from './cursor.ts';

const keys = Array.from({ length: 100 }, (_, index) => `k${index}`);

describe('moveCursor', () => {
  it('stops at both ends', () => {
    expect(moveCursor(keys, TOP_OF_LIST, -5, 10).index).toBe(0);
    expect(moveCursor(keys, TOP_OF_LIST, 'last', 10)).toEqual({ key: 'k99', index: 99, top: 90 });
    expect(moveCursor([], { key: 'k5', index: 5, top: 0 }, 1, 10)).toEqual(TOP_OF_LIST);
  });

  it('stays on its row when rows move, and at its index when the row is removed', () => {
    const cursor = moveCursor(keys, TOP_OF_LIST, 5, 10);
    expect(cursorIndex(['new', ...keys], cursor)).toBe(6);
    expect(
      cursorIndex(
        keys.filter((key) => key !== 'k5'),
        cursor,
      ),
    ).toBe(5);
    expect(cursorIndex(['k0'], cursor)).toBe(0);
    expect(cursorIndex([], cursor)).toBe(-1);
  });
});

describe('visibleTop', () => {
  it('scrolls only if the cursor leaves the view', () => {
    expect(visibleTop(10, 15, 10, 100)).toBe(10);
    expect(visibleTop(10, 20, 10, 100)).toBe(11);
    expect(visibleTop(10, 9, 10, 100)).toBe(9);
  });

  it('shows no blank rows after the list became shorter', () => {
    expect(visibleTop(90, 0, 10, 12)).toBe(0);
    expect(visibleTop(90, 11, 10, 12)).toBe(2);
    expect(visibleTop(5, -1, 10, 0)).toBe(0);
  });
});
