import { expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { Tickets } from './tickets.ts';

it('redeems a ticket once', () => {
  const tickets = new Tickets<string>(new ManualTime());
  const { ticket } = tickets.issue('me');
  expect(tickets.redeem(ticket)).toBe('me');
  expect(tickets.redeem(ticket)).toBeNull();
  expect(tickets.redeem('another')).toBeNull();
});

it('rejects a ticket after 30 seconds', async () => {
  const time = new ManualTime();
  const tickets = new Tickets<string>(time);
  const [kept, late] = [tickets.issue('me'), tickets.issue('me')];
  expect(kept.expiresAt.getTime() - time.now().getTime()).toBe(30_000);
  await time.advance(29_999);
  expect(tickets.redeem(kept.ticket)).toBe('me');
  await time.advance(1);
  expect(tickets.redeem(late.ticket)).toBeNull();
});

it('drops the oldest tickets beyond its limit', () => {
  const tickets = new Tickets<number>(new ManualTime());
  const issued = Array.from({ length: 10_001 }, (_, index) => tickets.issue(index).ticket);
  expect(tickets.redeem(issued[0] ?? '')).toBeNull();
  expect(tickets.redeem(issued[1] ?? '')).toBe(1);
  expect(tickets.redeem(issued.at(-1) ?? '')).toBe(10_000);
});
