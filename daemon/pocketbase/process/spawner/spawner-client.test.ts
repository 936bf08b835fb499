import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../../test/helpers/scratch.ts';
import { SpawnerClient } from './spawner-client.ts';

it('waits longer for the first response of a spawner that is starting', async () => {
  const client = new SpawnerClient(1);
  onTestFinished(() => client.close());
  const request = { file: '/bin/true', args: [], env: {}, logFile: join(await scratch(), 'log') };
  expect((await client.spawn(request)).pid).toBeGreaterThan(0);
});
