import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../../test/helpers/scratch.ts';
import { SpawnerClient } from './spawner-client.ts';

it('waits for a spawner to start, which takes longer than an answer of one that runs', async () => {
  const client = new SpawnerClient(1);
  onTestFinished(() => client.close());
  const request = { file: '/bin/true', args: [], env: {}, logFile: join(await scratch(), 'log') };
  expect((await client.spawn(request)).pid).toBeGreaterThan(0);
});
