import { expect, it } from 'vitest';
import { SignInBudget } from './sign-in-budget.ts';

it('lets 16 run and 200 wait, refuses the others, and goes on after a failure', async () => {
  const budget = new SignInBudget();
  const gate = Promise.withResolvers<void>();
  let running = 0;
  const outcomes = Array.from({ length: 250 }, async (_, index) => {
    try {
      return await budget.run(async () => {
        running += 1;
        await gate.promise;
        if (index % 2 === 0) throw new Error('failed');
        return 'done';
      });
    } catch (error) {
      return 'code' in (error as object) ? 'rate_limited' : 'failed';
    }
  });
  const refused = await Promise.all(outcomes.slice(216));
  expect(refused).toEqual(refused.map(() => 'rate_limited'));
  expect(running).toBe(16);
  gate.resolve();
  const all = await Promise.all(outcomes);
  expect(all.filter((outcome) => outcome === 'done')).toHaveLength(108);
  expect(all.filter((outcome) => outcome === 'failed')).toHaveLength(108);
  expect(await budget.run(() => Promise.resolve('again'))).toBe('again');
});
