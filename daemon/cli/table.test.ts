import stringWidth from 'string-width';
import { describe, expect, it } from 'vitest';
import { formatTable } from './table.ts';

const tagged = (colour: string, text: string) => `<${colour}>${text}</>`;
const plain = (_colour: string, text: string) => text;

describe('formatTable', () => {
  it('aligns by what a terminal shows', () => {
    const table = formatTable(
      [{ name: '日本' }, { name: 'é' }],
      [
        { title: 'N', cell: (row) => row.name },
        { title: 'X', cell: () => 'x' },
      ],
      plain,
    );
    expect(table.split('\n').map((line) => stringWidth(line.slice(0, line.search(/x$|X$/))))).toEqual([
      6, 6, 6,
    ]);
  });

  it('puts numbers on the right and a dash where there is nothing', () => {
    const columns = [{ title: 'PORT', cell: (row: number | null) => row }];
    expect(formatTable([1, 9000, null], columns, plain)).toBe('PORT\n   1\n9000\n   –');
  });

  it('colours after aligning', () => {
    const columns = [
      { title: 'A', cell: (row: string) => row, colour: () => 'green' as const },
      { title: 'B', cell: () => 'b' },
    ];
    expect(formatTable(['x', 'long'], columns, tagged).split('\n').slice(1)).toEqual([
      '<green>x</>     b',
      '<green>long</>  b',
    ]);
  });

  it('shows the head alone for an empty list', () => {
    expect(formatTable([], [{ title: 'NAME', cell: () => '' }], plain)).toBe('NAME');
  });
});
