import { expect, it } from 'vitest';
import { pageQuerySchema } from './page.ts';

it('gives pages defaults and bounds', () => {
  expect(pageQuerySchema.parse({})).toEqual({ page: 1, per_page: 50 });
  expect(pageQuerySchema.parse({ page: '3', per_page: '500' })).toEqual({ page: 3, per_page: 500 });
  for (const query of [
    { page: '0' },
    { page: '1.5' },
    { per_page: '501' },
    { page: 'NaN' },
    { page: '1e99' },
  ]) {
    expect(pageQuerySchema.safeParse(query).success, JSON.stringify(query)).toBe(false);
  }
});
