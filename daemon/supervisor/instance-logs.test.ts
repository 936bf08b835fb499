import { expect, it } from 'vitest';
import { byTime } from './instance-logs.ts';

const line = (at: string, text: string) => ({ at, text });

it('merges two logs by time, and keeps the order of each', () => {
  const output = [line('1', 'a'), line('3', 'b'), line('3', 'c')];
  const requests = [line('0', 'x'), line('3', 'y'), line('4', 'z')];
  expect(byTime(output, requests).map(({ text }) => text)).toEqual(['x', 'a', 'b', 'c', 'y', 'z']);
  expect(byTime([], requests)).toEqual(requests);
  expect(byTime(output, [])).toEqual(output);
});
