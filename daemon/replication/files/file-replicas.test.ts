import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { scratch } from '../../../test/helpers/scratch.ts';
import { silentLog } from '../../../test/helpers/silent-log.ts';
import { FileReplicas } from './file-replicas.ts';

it('leaves no wait behind when it stops, with and without a cluster', async () => {
  const directory = await scratch();
  await mkdir(join(directory, 'pb_data', 'storage'), { recursive: true });
  await writeFile(join(directory, 'pb_data', 'data.db'), 'a database');
  for (const cluster of [null, { fleet: 'f', holds: () => true, noteStored: async () => {} }]) {
    const clock = new ManualTime();
    const files = new FileReplicas({
      // It is not mounted.
      config: { target: join(directory, 'target'), binaryPath: null },
      cluster,
      paths: { host: async () => 'host' },
      clock,
      log: silentLog,
    });
    files.start(() => [{ name: '2026-01-15-001-ann', directory, phase: () => 'running' }]);
    await files.stop();
    expect(clock.sleeping).toBe(0);
    expect(files.incomplete()).toEqual(cluster === null ? [] : ['2026-01-15-001-ann']);
  }
});
