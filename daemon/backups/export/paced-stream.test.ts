import { expect, it } from 'vitest';
import { ManualTime, settle } from '../../../test/helpers/manual-time.ts';
import { pacedStream } from './paced-stream.ts';

const PART = Buffer.alloc(256 * 1024);

function source(count: number) {
  const made = { parts: 0, isEnded: false };
  const parts = async function* () {
    try {
      for (; made.parts < count; made.parts += 1) yield PART;
    } finally {
      made.isEnded = true;
    }
  };
  return { made, parts: parts() };
}

it('reads only as far ahead as its buffer, and ends when it is not read', async () => {
  const time = new ManualTime();
  const { made, parts } = source(1_000);
  const stream = pacedStream(parts, time);
  const failed = new Promise<Error>((resolve) => void stream.once('error', resolve));
  stream.read(1);
  await time.advance(59_000);
  expect([made.parts < 4, stream.destroyed]).toEqual([true, false]);
  await time.advance(61_000);
  expect((await failed).message).toContain('too slowly');
  await settle();
  expect(made.isEnded).toBe(true);
  expect(time.sleeping).toBe(0);
});

it('waits for a source that is slow', async () => {
  const time = new ManualTime();
  const first = Promise.withResolvers<void>();
  const parts = async function* () {
    await first.promise;
    yield PART;
  };
  const stream = pacedStream(parts(), time);
  stream.resume();
  await time.advance(600_000);
  expect(stream.destroyed).toBe(false);
  const closed = new Promise((resolve) => void stream.once('close', resolve));
  first.resolve();
  await closed;
  await settle();
  expect([stream.errored, time.sleeping]).toEqual([null, 0]);
});
