import { describe, expect, it } from 'vitest';
import { MouseReports } from './mouse.ts';

const click = (column: number, row: number, button = 0, end = 'M') =>
  `\u001B[<${button};${column};${row}${end}`;

describe('MouseReports', () => {
  it('takes clicks and the wheel out of what was typed', () => {
    const { keys, events } = new MouseReports().take(
      `j${click(5, 3)}${click(5, 3, 0, 'm')}k${click(1, 9, 65)}`,
    );
    expect(keys).toBe('jk');
    expect(events).toEqual([
      { kind: 'click', column: 4, row: 2 },
      { kind: 'wheel', by: 1, column: 0, row: 8 },
    ]);
  });

  it('leaves nothing to keys of other buttons, of modifiers, and of places that are none', () => {
    const odd = [click(3, 3, 2), click(3, 3, 4), click(3, 3, 35), click(0, 0), click(3, 3, 66)].join('');
    expect(new MouseReports().take(odd)).toEqual({ keys: '', events: [] });
  });

  it('puts a report together that arrives in parts', () => {
    const reports = new MouseReports();
    expect(reports.take('a\u001B[<0;1')).toEqual({ keys: 'a', events: [] });
    expect(reports.take('2')).toEqual({ keys: '', events: [] });
    expect(reports.take(';7Mz')).toEqual({ keys: 'z', events: [{ kind: 'click', column: 11, row: 6 }] });
  });

  it('goes on with the keys when the end never comes', () => {
    const reports = new MouseReports();
    expect(reports.take('\u001B[<0;1')).toEqual({ keys: '', events: [] });
    expect(reports.take('jk')).toEqual({ keys: 'jk', events: [] });
  });

  it('leaves other sequences to the keys', () => {
    const other = '\u001B[A\u001B[200~<0;1;1M\u001B[201~\u001Bx';
    expect(new MouseReports().take(other)).toEqual({ keys: other, events: [] });
  });

  it('waits after Esc, which may be the beginning of a report or a key of its own', () => {
    const reports = new MouseReports();
    expect(reports.take('\u001B').keys).toBe('');
    expect(reports.mayBeKey).toBe(true);
    expect(reports.take('[').keys).toBe('');
    expect(reports.take('<0;3;4M')).toEqual({ keys: '', events: [{ kind: 'click', column: 2, row: 3 }] });
    expect(reports.take('\u001B').keys).toBe('');
    expect(reports.release()).toBe('\u001B');
    expect(reports.release()).toBe('');
    expect(reports.take('\u001B').keys + reports.take('[A').keys).toBe('\u001B[A');
    // The beginning of a report is no key, however long its end takes.
    reports.take('\u001B[<');
    expect([reports.mayBeKey, reports.release()]).toEqual([false, '']);
  });
});
