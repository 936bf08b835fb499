import { expect, it } from 'vitest';
import { splitAtNow } from './split-at-now.ts';

it('knows backups of a clock that ran ahead', () => {
  const ids = [
    '20240114t100000000z-00000000',
    '20240115t100500122z-ffffffff',
    '20240115t100500123z-ffffffff',
    '20240115t100500124z-00000000',
    '20300101t000000000z-00000000',
  ];
  const now = new Date('2024-01-15T10:00:00.123Z');
  expect(splitAtNow(ids, now)).toEqual({ past: ids.slice(0, 3), future: ids.slice(3) });
});
