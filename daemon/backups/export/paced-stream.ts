import { Readable } from 'node:stream';
import { type Clock, runAfter } from '../../base/time/clock.ts';

/** A reader takes this much in this time, unless the source is slow. */
const WINDOW_MS = 60_000;
const MIN_BYTES = 1024 * 1024;

/**
 * A stream that reads its source only as fast as it is read, and ends with an error when its reader is so slow that it seems to be
 * gone: a download holds a process, memory and disk.
 */
export function pacedStream(source: AsyncIterable<Buffer>, clock: Clock): Readable {
  let handedOut = 0;
  const counted = async function* () {
    for await (const part of source) {
      handedOut += part.length;
      yield part;
    }
  };
  const stream = Readable.from(counted(), { objectMode: false });
  const closed = new AbortController();
  stream.once('close', () => closed.abort());
  const watch = (before: number) => {
    void runAfter(clock, WINDOW_MS, closed.signal, () => {
      // With something in its buffer, the stream waits for its reader, and else for its source.
      if (handedOut - before < MIN_BYTES && stream.readableLength > 0)
        stream.destroy(new Error('it was read too slowly'));
      else watch(handedOut);
    });
  };
  watch(0);
  return stream;
}
