import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { FathomError } from '../../shared/errors.ts';
import type { DaemonServices } from './create-services.ts';
import { followControlPlane } from './start-control-plane.ts';

it('asks a control plane that does not answer again, without another listener each time', async () => {
  const moved = new AbortController();
  let requests = 0;
  const listeners: number[] = [];
  const services = {
    controlPlane: {
      redirect: () => {},
      token: async () => {
        requests += 1;
        if (moved.signal.aborted) await new Promise(() => {});
        if (requests < 5) throw new FathomError('control_plane.unavailable', 'it does not answer');
      },
    },
    queue: { redirect: () => {} },
    clock: { sleep: async () => void listeners.push(getEventListeners(moved.signal, 'abort').length) },
    tryMigrations: async () => {},
    sessionRepository: { listAddresses: async () => [] },
  } as unknown as DaemonServices;
  const follow = () =>
    followControlPlane('http://10.0.0.1:8090', {
      services,
      stopping: new AbortController().signal,
      moved: moved.signal,
      onWait: () => {},
    });
  await follow();
  expect(requests).toBe(5);
  expect(new Set(listeners)).toEqual(new Set([listeners[0]]));
  expect(getEventListeners(moved.signal, 'abort')).toHaveLength(0);
  moved.abort();
  await expect(follow()).rejects.toMatchObject({ code: 'control_plane.unavailable' });
});
