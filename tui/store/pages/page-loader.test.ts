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
  const loader = new PageLoader({ store, clock, commands: async () => ({}) as FleetCommands });
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
  /** Lets pending promises settle and the interval between two requests pass. */
  const settle = async (ms = 500) => {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { store, loader, request, asked, answers, settle };
}

describe('PageKeeper', () => {
  it('loads nothing without a connection, and loads again when it is back', async () => {
    const { store, loader, request, asked, answers, settle } = setUp();
    loader.setRequests([request('a')]);
    expect(asked).toEqual([]);
    loader.refresh();
    await settle();
    answers.get('a')?.resolve(group('one\u001B[2J'));
    await settle();
    expect(pageOf(store.get(), 'failures', 'a')?.value).toEqual(group('one'));
    loader.pause();
    loader.refresh();
    await settle();
    expect(asked).toEqual(['a', 'a']);
    // The old value stays visible.
    expect(pageOf(store.get(), 'failures', 'a')?.value).toEqual(group('one'));
  });

  it('drops a response that arrives after the screen requested another page', async () => {
    const { store, loader, request, answers, settle } = setUp();
    loader.refresh();
    loader.setRequests([request('a')]);
    await settle();
    loader.setRequests([request('b')]);
    await settle();
    answers.get('a')?.resolve(group('late'));
    await settle();
    expect(pageOf(store.get(), 'failures', 'a')).toBeNull();
    expect(pageOf(store.get(), 'failures', 'b')).toEqual({ key: 'b', value: null, error: null });
  });

  it('loads a page only once more for several versions that arrive while it is loading', async () => {
    const { loader, request, asked, answers, settle } = setUp();
    loader.refresh();
    loader.setRequests([request('a', '1')]);
    for (const version of ['2', '3', '4']) loader.setRequests([request('a', version)]);
    await settle();
    answers.get('a')?.resolve([]);
    await settle();
    expect(asked).toEqual(['a 1', 'a 4']);
  });

  it('keeps the value and the error of a failed request, and tries again', async () => {
    const { store, loader, request, answers, settle } = setUp();
    loader.refresh();
    loader.setRequests([request('a', '1')]);
    await settle();
    answers.get('a')?.resolve(group('one'));
    await settle();
    loader.setRequests([request('a', '2')]);
    await settle();
    answers.get('a')?.reject(new Error('the global PocketBase does not answer'));
    await settle();
    expect(pageOf(store.get(), 'failures', 'a')).toEqual({
      key: 'a',
      value: group('one'),
      error: 'the global PocketBase does not answer',
    });
    await settle(3_000);
    answers.get('a')?.resolve(group('two'));
    await settle();
    expect(pageOf(store.get(), 'failures', 'a')).toEqual({ key: 'a', value: group('two'), error: null });
    loader.setRequests([]);
    expect(store.get().pages.failures).toBeUndefined();
  });
});
