import { expect, it } from 'vitest';
import { csvLine } from './csv.ts';

it.each([
  ['=1+1', "'=1+1"],
  ['+1', "'+1"],
  ['-1', "'-1"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\t=1', "'\t=1"],
  ['\r=1', '"\'\r=1"'],
  ['=a,"b"', '"\'=a,""b"""'],
  [' =1', ' =1'],
  ['a\nb', '"a\nb"'],
  [-1.5, '-1.5'],
  [true, 'true'],
  [null, ''],
])('writes %j as %j', (value, text) => {
  expect(csvLine([value, 'x'])).toBe(`${text},x\r\n`);
});
