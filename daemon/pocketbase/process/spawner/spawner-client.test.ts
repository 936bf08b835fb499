import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../../test/helpers/scratch.ts';
import { SpawnerClient } from './spawner-client.ts';

it('waits longer for the first response of a spawner that is starting', async () => {
  const client = new SpawnerClient(1);
  onTestFinished(() => client.close());
  const directory = await scratch();
  const request = {
    file: '/bin/true',
    args: [],
    env: {},
    logFile: join(directory, 'log'),
    lockFile: join(directory, 'lock'),
    nice: 0,
    cgroup: null,
    sandbox: {
      setting: 'auto' as const,
      fleetDirectories: [],
      dataDir: join(directory, 'data'),
      temporaryDir: join(directory, 'tmp'),
      readable: [],
      port: null,
    },
  };
  expect((await client.spawn(request)).pid).toBeGreaterThan(0);
});
