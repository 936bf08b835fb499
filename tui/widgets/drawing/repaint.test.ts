import xterm from '@xterm/headless';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Frame, repaint } from './repaint.ts';

const COLUMNS = 12;
const ROWS = 4;

class Terminal {
  readonly #xterm = new xterm.Terminal({ cols: COLUMNS, rows: ROWS, allowProposedApi: true });

  write(text: string): Promise<void> {
    return new Promise((resolve) => this.#xterm.write(text, resolve));
  }

  get lines(): string[] {
    return this.#rows((row) => row.translateToString(true));
  }

  /** Every cell with its colours. */
  get cells(): string[] {
    return this.#rows((row) =>
      Array.from({ length: COLUMNS }, (_, column) => {
        const cell = row.getCell(column);
        return [cell?.getChars() || ' ', cell?.getFgColor(), cell?.isInverse()].join();
      }).join('|'),
    );
  }

  #rows(read: (row: xterm.IBufferLine) => string): string[] {
    const { active } = this.#xterm.buffer;
    return Array.from({ length: ROWS }, (_, row) => {
      const line = active.getLine(active.viewportY + row);
      return line === undefined ? '' : read(line);
    });
  }
}

function frame(rows: string[], box: Frame['box'] = null): Frame {
  return {
    columns: COLUMNS,
    rows: Array.from({ length: ROWS }, (_, row) => rows[row] ?? ''),
    box,
    redraws: 0,
  };
}

async function linesAfter(...frames: Frame[]): Promise<string[]> {
  const terminal = new Terminal();
  let before: Frame | null = null;
  for (const next of frames) {
    await terminal.write(repaint(before, next));
    before = next;
  }
  return terminal.lines;
}

describe('repaint', () => {
  it('writes nothing for an unchanged frame', () => {
    const rows = ['a', 'b'];
    const box = { top: 1, left: 2, rows: ['box'] };
    expect(repaint(frame(rows), frame([...rows]))).toBe('');
    expect(repaint(frame(rows, box), frame(rows, { ...box, rows: [...box.rows] }))).toBe('');
  });

  it('writes only rows that changed', () => {
    const text = repaint(frame(['one', 'two', 'three']), frame(['one', 'TWO', 'three']));
    expect(text).toContain('TWO');
    expect(text).not.toMatch(/one|three/);
  });

  it('writes all rows after a new size or a redraw', () => {
    const rows = ['one', 'two'];
    expect(repaint({ ...frame(rows), columns: COLUMNS + 1 }, frame(rows))).toMatch(/one.*two/s);
    expect(repaint(frame(rows), { ...frame(rows), redraws: 1 })).toMatch(/one.*two/s);
  });

  it('results in the same screen as drawing the last frame on an empty terminal', async () => {
    const piece = fc.constantFrom(
      'a',
      'bc ',
      '山',
      '한',
      '\u001B[7mx\u001B[0m',
      '\u001B[31m田\u001B[0m',
      'é',
    );
    const row = fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join(''));
    const box = fc.record({
      top: fc.nat(ROWS),
      left: fc.nat(COLUMNS - 4),
      rows: fc.array(fc.constantFrom('│ab│', '│山│', '\u001B[36m╰──╯\u001B[0m'), { maxLength: ROWS }),
    });
    const frames = fc.array(
      fc.record({
        columns: fc.constant(COLUMNS),
        rows: fc.array(row, { minLength: ROWS, maxLength: ROWS }),
        box: fc.option(box),
        redraws: fc.nat(1),
      }),
      { minLength: 2, maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(frames, async (all) => {
        const [walked, fresh] = [new Terminal(), new Terminal()];
        let before: Frame | null = null;
        for (const next of all) {
          await walked.write(repaint(before, next));
          before = next;
        }
        if (before !== null) await fresh.write(repaint(null, before));
        expect(walked.cells).toEqual(fresh.cells);
      }),
      { numRuns: 60 },
    );
  });
});

describe('the terminal', () => {
  it('shows the last character of a full row, and the row below', async () => {
    const full = 'x'.repeat(COLUMNS - 1);
    expect(await linesAfter(frame([`${full}!`, 'below']))).toEqual([`${full}!`, 'below', '', '']);
    const wide = '山'.repeat(COLUMNS / 2);
    expect(await linesAfter(frame(['', '', '', wide]))).toEqual(['', '', '', wide]);
  });

  it('does not move rows after a row that is too long', async () => {
    const lines = await linesAfter(frame(['a', '山'.repeat(40), 'c', 'd'.repeat(99)]));
    expect(lines.map((line) => line.slice(0, 1))).toEqual(['a', '山', 'c', 'd']);
  });

  it('shows a box over the rows, and the rows again after it', async () => {
    const below = frame(['..........', '山山山山山', '..........']);
    const box = { top: 1, left: 3, rows: ['│ab│', '╰──╯'] };
    // Half of a wide character is not shown.
    expect(await linesAfter({ ...below, box })).toEqual(['..........', '山 │ab│ 山', '...╰──╯...', '']);
    expect(await linesAfter({ ...below, box }, below)).toEqual([...below.rows]);
    const moved = { ...box, left: 0 };
    expect(await linesAfter({ ...below, box }, { ...below, box: moved })).toEqual(
      await linesAfter({ ...below, box: moved }),
    );
  });

  it('shows colours, but executes no other control sequences', async () => {
    const hostile = '\u001B[2J\u001B[1;1H\u009B1A\r\n\t\u001B]0;t\u0007\u001B';
    const [first, second, third] = await linesAfter(frame(['one', `two${hostile}`, 'three']));
    expect([first, third]).toEqual(['one', 'three']);
    expect(second).toContain('two');
    const terminal = new Terminal();
    await terminal.write(repaint(null, frame(['\u001B[38;5;80mx\u001B[0m'])));
    expect(terminal.cells[0]).toMatch(/^x,80,0\|/);
  });
});
