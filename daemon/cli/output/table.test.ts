import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { fitWidths, formatTable } from './table.ts';

const tagged = (colour: string, text: string) => `<${colour}>${text}</>`;
const plain = (_colour: string, text: string) => text;

describe('formatTable', () => {
  it('aligns by display width', () => {
    const table = formatTable(
      [{ name: '日本' }, { name: 'é' }],
      [
        { title: 'N', cell: (row) => row.name },
        { title: 'X', cell: () => 'x' },
      ],
      plain,
    );
    expect(table.text.split('\n').map((line) => stringWidth(line.slice(0, line.search(/x$|X$/))))).toEqual([
      6, 6, 6,
    ]);
  });

  it('aligns numbers to the right and shows a dash for null', () => {
    const columns = [{ title: 'PORT', cell: (row: number | null) => row }];
    expect(formatTable([1, 9000, null], columns, plain).text).toBe('PORT\n   1\n9000\n   –');
  });

  it('colours after alignment', () => {
    const columns = [
      { title: 'A', cell: (row: string) => row, colour: () => 'green' as const },
      { title: 'B', cell: () => 'b' },
    ];
    expect(formatTable(['x', 'long'], columns, tagged).text.split('\n').slice(1)).toEqual([
      '<green>x</>     b',
      '<green>long</>  b',
    ]);
  });

  it('separates cells by at least two spaces', () => {
    const columns = [
      { title: 'A', cell: () => '' },
      { title: 'B', cell: () => 'two  spaces\tand a tab' },
      { title: 'C', cell: () => '' },
    ];
    const [, line] = formatTable([1], columns, plain).text.split('\n');
    expect(line?.split(/ {2,}/)).toEqual(['–', 'two spaces and a tab']);
  });

  it('cuts wide characters by display width', () => {
    const { text, isWhole } = formatTable([1], [{ title: 'A', cell: () => '日本語', cutTo: 1 }], plain, 5);
    expect({ line: text.split('\n')[1], isWhole }).toEqual({ line: '日本…', isWhole: false });
  });

  it('shows only the header of an empty list', () => {
    expect(formatTable([], [{ title: 'NAME', cell: () => '' }], plain).text).toBe('NAME');
  });
});

describe('fitWidths', () => {
  const columns = [{}, { hide: 1 }, { hide: 2 }, { cutTo: 10 }];

  it.each([
    ['changes nothing where everything fits', 66, [20, 10, 10, 20]],
    ['cuts texts first', 60, [20, 10, 10, 14]],
    ['then hides the column with the highest number', 55, [20, 10, null, 20]],
    ['then the next', 40, [20, null, null, 18]],
    ['at last cuts what is widest', 25, [13, null, null, 10]],
  ])('%s', (_what, available, expected) => {
    expect(fitWidths(columns, [20, 10, 10, 20], available)).toEqual(expected);
  });
});
