import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { deployment } from '../helpers/harness.ts';
import { logLines, WARN } from '../helpers/log-lines.ts';
import { finished, TEST_TASKS } from '../helpers/queue.ts';
import { scratch } from '../helpers/scratch.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

it('a locked control plane takes no task, and a task that ends meanwhile is done once it is unlocked', async () => {
  const fathom = await deployment({ FATHOM_TASKS_DIR: TEST_TASKS });
  const daemon = await fathom.start();
  const { queue } = fathom.client;
  const gate = join(await scratch(), 'gate');
  const { id } = await queue.add({ type: 'gated', payload: { gate } });
  await until(async () => (await queue.get(id)).progress_message === 'waiting', {
    what: 'the handler to wait',
  });
  // As an administrator does who leaves a transaction open in a shell of SQLite.
  using database = new DatabaseSync(join(fathom.dataDir, 'global', 'pb_data', 'data.db'), {
    timeout: 10_000,
  });
  database.exec('BEGIN IMMEDIATE');
  // PocketBase waits 10 s for the lock, with one request after the other: behind the end of the task this would be 20 s.
  const added = queue.add({ type: 'noop' });
  const refused = expect(added).rejects.toMatchObject({
    code: 'control_plane.unavailable',
    message: textWith("'fuser -v'"),
  });
  await queue.get(id);
  await writeFile(gate, '');
  await refused;
  await until(() => logLines(daemon.output()).some((line) => line.level === WARN && line['task'] === id), {
    what: () => `the worker to try: ${daemon.output()}`,
  });
  database.exec('ROLLBACK');
  expect(await finished(fathom, id)).toMatchObject({ status: 'done', attempts: 1, errors: null });
});
