/**
 * What a user's program does, in the network of the container: `call METHOD URL BODY TOKEN` is one request, `connect URL TOKEN` opens
 * a WebSocket, `write URL TOKEN` writes records until SIGTERM. Every name leads to nginx on the loopback. Prints one line of JSON.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { WebSocket } from 'ws';

/** Below RATE_LIMIT_PER_MINUTE. */
const PER_SECOND = 60;
const MOST_UNDER_WAY = 32;
const GIVE_UP_MS = 10_000;
const [what = '', ...args] = process.argv.slice(2);
const ca = readFileSync(process.env['CA_FILE'] ?? '', 'utf8');
const agent = new Agent({ keepAlive: true, maxSockets: MOST_UNDER_WAY });

function call(method: string, address: string, body: string, token: string) {
  const url = new URL(address);
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const outgoing = request(
      {
        method,
        host: '127.0.0.1',
        port: 443,
        path: url.pathname + url.search,
        servername: url.hostname,
        ca,
        agent,
        timeout: GIVE_UP_MS,
        headers: {
          host: url.hostname,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          ...(token === '' ? {} : { authorization: token }),
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.once('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      },
    );
    outgoing.once('timeout', () => outgoing.destroy(new Error('no answer')));
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

async function write(address: string, token: string): Promise<object> {
  const latencies: number[] = [];
  const failures: string[] = [];
  const underWay = new Set<Promise<void>>();
  const one = async (): Promise<void> => {
    const start = performance.now();
    try {
      const { status, body } = await call('POST', address, JSON.stringify({ title: 'under load' }), token);
      if (status === 200) latencies.push(performance.now() - start);
      else failures.push(`${status} ${body}`);
    } catch (error) {
      failures.push(String(error));
    }
  };
  const begun = performance.now();
  const timer = setInterval(() => {
    // As many as are due by now, so that a late timer makes up for it.
    const due = Math.floor(((performance.now() - begun) / 1000) * PER_SECOND);
    const sent = latencies.length + failures.length + underWay.size;
    // No more than so many at once: a busy host gets fewer, not a queue of them.
    for (let count = sent; count < due && underWay.size < MOST_UNDER_WAY; count += 1) {
      const attempt = one();
      underWay.add(attempt);
      void attempt.then(() => underWay.delete(attempt));
    }
  }, 5);
  await once(process, 'SIGTERM');
  clearInterval(timer);
  await Promise.all(underWay);
  const seconds = (performance.now() - begun) / 1000;
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    written: latencies.length,
    failed: failures.length,
    first_failures: failures.slice(0, 3),
    per_second: Math.round(latencies.length / seconds),
    p99_ms: Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0),
    max_ms: Math.round(sorted.at(-1) ?? 0),
  };
}

async function connect(address: string, token: string): Promise<object> {
  const url = new URL(address);
  const socket = new WebSocket(`wss://127.0.0.1${url.pathname}`, 'fathom.v1', {
    agent: new Agent({ ca, servername: url.hostname }),
    headers: { host: url.hostname, authorization: token },
  });
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'ping', id: 1 }));
  const [message] = (await once(socket, 'message')) as [Buffer];
  socket.close();
  return JSON.parse(message.toString()) as object;
}

const [first = '', second = '', third = '', fourth = ''] = args;
const answer =
  what === 'write'
    ? await write(first, second)
    : what === 'connect'
      ? await connect(first, second)
      : await call(first, second, third, fourth);
console.log(JSON.stringify(answer));
agent.destroy();
