import { describe, expect, it } from 'vitest';
import { MouseReports } from './mouse.ts';

const click = (column: number, row: number, button = 0, end = 'M') =>
  `\u001B[<${button};${column};${row}${end}`;

describe('MouseReports', () => {
  it('separates clicks and the wheel from typed keys', () => {
    const { keys, events } = new MouseReports().take(
      `j${click(5, 3)}${click(5, 3, 0, 'm')}k${click(1, 9, 65)}`,
    );
    expect(keys).toBe('jk');
    expect(events).toEqual([
      { kind: 'click', column: 4, row: 2 },
      { kind: 'wheel', by: 1, column: 0, row: 8 },
    ]);
  });

  it('drops reports of other buttons, of modifiers and of invalid positions', () => {
    const odd = [click(3, 3, 2), click(3, 3, 4), click(3, 3, 35), click(0, 0), click(3, 3, 66)].join('');
    expect(new MouseReports().take(odd)).toEqual({ keys: '', events: [] });
  });

  it('joins a report that arrives in parts', () => {
    const reports = new MouseReports();
    expect(reports.take('a\u001B[<0;1')).toEqual({ keys: 'a', events: [] });
    expect(reports.take('2')).toEqual({ keys: '', events: [] });
    expect(reports.take(';7Mz')).toEqual({ keys: 'z', events: [{ kind: 'click', column: 11, row: 6 }] });
  });

  it('continues with keys when a report stays incomplete', () => {
    const reports = new MouseReports();
    expect(reports.take('\u001B[<0;1')).toEqual({ keys: '', events: [] });
    expect(reports.take('jk')).toEqual({ keys: 'jk', events: [] });
  });

  it('passes other sequences on as keys', () => {
    const other = '\u001B[A\u001B[200~<0;1;1M\u001B[201~\u001Bx';
    expect(new MouseReports().take(other)).toEqual({ keys: other, events: [] });
  });

  it('waits after Esc, which may start a report or be a key', () => {
    const reports = new MouseReports();
    expect(reports.take('\u001B').keys).toBe('');
    expect(reports.mayBeKey).toBe(true);
    expect(reports.take('[').keys).toBe('');
    expect(reports.take('<0;3;4M')).toEqual({ keys: '', events: [{ kind: 'click', column: 2, row: 3 }] });
    expect(reports.take('\u001B').keys).toBe('');
    expect(reports.release()).toBe('\u001B');
    expect(reports.release()).toBe('');
    expect(reports.take('\u001B').keys + reports.take('[A').keys).toBe('\u001B[A');
    // The start of a report never becomes a key.
    reports.take('\u001B[<');
    expect([reports.mayBeKey, reports.release()]).toEqual([false, '']);
  });
});
