import { expect, it } from 'vitest';
import { ManualTime, settle } from '../../test/helpers/manual-time.ts';
import { silentLog } from '../../test/helpers/silent-log.ts';
import { EventBus } from '../events/bus.ts';
import { keepReconciled } from './keep-reconciled.ts';
import type { Reconciler } from './reconcile.ts';

it('compares all rows first in a cluster, because owners may have changed while the daemon started', async () => {
  const runs: boolean[] = [];
  const catchUp = async ({ isFull }: { isFull: boolean }) => void runs.push(isFull);
  const reconciler = { catchUp } as unknown as Reconciler;
  const clock = new ManualTime();
  const share = { leader: null, elsewhere: () => null, onOwners: () => () => true };
  const deps = { reconciler, bus: new EventBus(() => {}), clock, log: silentLog };
  for (const one of [share, null]) {
    const stop = keepReconciled({ ...deps, share: one });
    await settle();
    await clock.advance(60_000);
    await stop();
  }
  expect(runs).toEqual([true, false, false, false]);
});

it('soon tries again in a cluster, when the control plane of another node did not answer', async () => {
  const runs: boolean[] = [];
  const catchUp = async ({ isFull }: { isFull: boolean }) => {
    runs.push(isFull);
    if (runs.length < 3) throw new Error('no answer');
  };
  const reconciler = { catchUp } as unknown as Reconciler;
  const clock = new ManualTime();
  const share = { leader: { node: 'n1' }, elsewhere: () => null, onOwners: () => () => true };
  const stop = keepReconciled({ reconciler, bus: new EventBus(() => {}), clock, log: silentLog, share });
  await settle();
  await clock.advance(3_000);
  await stop();
  expect(runs).toEqual([true, true, true]);
});

it('reads new rows again that come while it reads', async () => {
  const runs: boolean[] = [];
  const listeners: ((what?: 'rows') => void)[] = [];
  const notice = () => {
    for (const listener of listeners) listener('rows');
  };
  const catchUp = async ({ isFull }: { isFull: boolean }) => {
    runs.push(isFull);
    if (runs.length === 2) notice();
  };
  const reconciler = { catchUp } as unknown as Reconciler;
  const share = {
    onOwners(listener: (what?: 'rows') => void) {
      listeners.push(listener);
      return () => true;
    },
  };
  const clock = new ManualTime();
  const stop = keepReconciled({ reconciler, share, bus: new EventBus(() => {}), clock, log: silentLog });
  await settle();
  notice();
  await settle();
  expect(runs).toEqual([true, false, false]);
  await stop();
});
