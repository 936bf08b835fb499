import { describe, expect, it } from 'vitest';
import type { DeadGroup } from '../../../shared/api/queue.ts';
import { ManualClock } from '../../../test/console/manual-clock.ts';
import type { FleetCommands } from '../actions/actions.ts';
import { FleetStore } from '../fleet/fleet-store.ts';
import { PageLoader } from './page-loader.ts';
import { type PageRequest, pageOf } from './pages.ts';

const group = (signature: string): DeadGroup[] => [{ signature, count: 1, last: '2026-11-21T12:00:00Z' }];

function setUp() {
  const clock = new ManualClock();
  const store = new FleetStore(clock);
  const keeper = new PageLoader({ store, clock, commands: async () => ({}) as FleetCommands });
  const asked: string[] = [];
  const answers = new Map<string, PromiseWithResolvers<DeadGroup[]>>();
  const request = (key: string, version = ''): PageRequest => ({
    slot: 'failures',
    key,
    version,
    load: () => {
      asked.push(`${key} ${version}`.trim());
      const answer = Promise.withResolvers<DeadGroup[]>();
      answers.set(key, answer);
      return answer.promise;
    },
  });
  /** What was promised has been kept, and the time between two readings is over. */
  const settle = async (ms = 500) => {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { store, keeper, request, asked, answers, settle };
}

describe('PageKeeper', () => {
  it('asks for nothing while there is no link, and again when it is back', async () => {
    const { store, keeper, request, asked, answers, settle } = setUp();
    keeper.want([request('a')]);
    expect(asked).toEqual([]);
    keeper.refresh();
    await settle();
    answers.get('a')?.resolve(group('one\u001B[2J'));
    await settle();
    expect(pageOf(store.get(), 'failures', 'a')?.value).toEqual(group('one'));
    keeper.rest();
    keeper.refresh();
    await settle();
    expect(asked).toEqual(['a', 'a']);
    // What was read before stays in view meanwhile.
    expect(pageOf(store.get(), 'failures', 'a')?.value).toEqual(group('one'));
  });

  it('drops an answer that comes when something else is looked at', async () => {
    const { store, keeper, request, answers, settle } = setUp();
    keeper.refresh();
    keeper.want([request('a')]);
    await settle();
    keeper.want([request('b')]);
    await settle();
    answers.get('a')?.resolve(group('late'));
    await settle();
    expect(pageOf(store.get(), 'failures', 'a')).toBeNull();
    expect(pageOf(store.get(), 'failures', 'b')).toEqual({ key: 'b', value: null, error: null });
  });

  it('reads a page once for many versions that come while it is read', async () => {
    const { keeper, request, asked, answers, settle } = setUp();
    keeper.refresh();
    keeper.want([request('a', '1')]);
    for (const version of ['2', '3', '4']) keeper.want([request('a', version)]);
    await settle();
    answers.get('a')?.resolve([]);
    await settle();
    expect(asked).toEqual(['a 1', 'a 4']);
  });

  it('keeps what it has, and says why the next reading failed', async () => {
    const { store, keeper, request, answers, settle } = setUp();
    keeper.refresh();
    keeper.want([request('a', '1')]);
    await settle();
    answers.get('a')?.resolve(group('one'));
    await settle();
    keeper.want([request('a', '2')]);
    await settle();
    answers.get('a')?.reject(new Error('the global PocketBase does not answer'));
    await settle();
    expect(pageOf(store.get(), 'failures', 'a')).toEqual({
      key: 'a',
      value: group('one'),
      error: 'the global PocketBase does not answer',
    });
    // And tries again by itself.
    await settle(3_000);
    answers.get('a')?.resolve(group('two'));
    await settle();
    expect(pageOf(store.get(), 'failures', 'a')).toEqual({ key: 'a', value: group('two'), error: null });
    keeper.want([]);
    expect(store.get().pages.failures).toBeUndefined();
  });
});
