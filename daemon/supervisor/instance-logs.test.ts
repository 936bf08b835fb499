import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../base/time/clock.ts';
import { InstanceLog } from '../pocketbase/logs/instance-log.ts';
import { mergeByTime, tailLogs } from './instance-logs.ts';
import type { InstanceSpec } from './instance-spec.ts';

const line = (at: string, text: string) => ({ at, text });

it('merges two logs by time, and keeps the order of each', () => {
  const output = [line('1', 'a'), line('3', 'b'), line('3', 'c')];
  const requests = [line('0', 'x'), line('3', 'y'), line('4', 'z')];
  expect(mergeByTime(output, requests).map(({ text }) => text)).toEqual(['x', 'a', 'b', 'c', 'y', 'z']);
  expect(mergeByTime([], requests)).toEqual(requests);
  expect(mergeByTime(output, [])).toEqual(output);
});

it('reports a log that cannot be read as a failure of the instance', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'fathom-log-'));
  onTestFinished(() => rmdirSync(directory));
  const log = new InstanceLog(directory, systemClock, { maxBytes: 1024, retentionMs: 1000 });
  const spec = { name: 'global', log } as unknown as InstanceSpec;
  await expect(tailLogs(spec, { tail: 1, source: 'output' }, systemClock)).rejects.toMatchObject({
    code: 'instance.failed',
  });
});
