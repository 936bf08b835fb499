import { request } from 'node:http';

/** The status of a request on a connection of its own, or the code of the error. */
export function statusOf(port: number, path = '/api/health'): Promise<number | string> {
  return new Promise((resolve) => {
    const call = request({ host: '127.0.0.1', port, path, agent: false }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
      response.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
    call.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    call.end();
  });
}

/** Sends requests one after the other on several lanes, and counts what they got, until it is stopped. */
export function startProber(port: number, lanes = 4): { stop: () => Promise<Map<number | string, number>> } {
  const counts = new Map<number | string, number>();
  const stopped = new AbortController();
  const lane = async () => {
    while (!stopped.signal.aborted) {
      const status = await statusOf(port);
      counts.set(status, (counts.get(status) ?? 0) + 1);
    }
  };
  const all = Promise.all(Array.from({ length: lanes }, lane));
  return {
    stop: async () => {
      stopped.abort();
      await all;
      return counts;
    },
  };
}
