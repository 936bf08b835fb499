import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { WebSocket } from 'ws';
import { SubscribeSchema, WebSocketMessageSchema } from '../../shared/proto/fathom/work/v1/messages_pb.js';
import { ms, quantile, report, residentBytes } from '../measure.ts';

const CLIENTS = 1_000;
const PROJECTS = 100;
const EVENTS_PER_SECOND = 500;
const WARM_UP_MS = 2_000;
const MEASURED_MS = 10_000;
const NS_PER_MS = 1e6;
/** Precedes the time in a title. */
const SENT_AT = 'sent at ';
const MB = 1024 * 1024;

interface Measured {
  delaysMs: number[];
  bytes: number;
  missing: number;
}

/** Changes of projects to many clients, against `ws` alone with the same frames. */
export async function benchStream(): Promise<boolean> {
  let met = true;
  for (const protocol of ['fathom.v1', 'fathom.work.v1']) {
    const ours = await measure('daemon', protocol);
    const bare = await measure('bare', protocol);
    const p99 = [quantile(ours.delaysMs, 0.99), quantile(bare.delaysMs, 0.99)] as const;
    const name = `stream, ${protocol}`;
    const load = `${CLIENTS} clients of ${PROJECTS} projects, ${EVENTS_PER_SECOND} changes a second for ${MEASURED_MS / 1000} s; missing: ${ours.missing} and ${bare.missing} frames`;
    met =
      report({
        name: `${name}, delivery`,
        compares: 'p99 from the change to the client, our stream / ws alone with the same frames',
        value: p99[0] / p99[1],
        bar: 2,
        unit: '',
        details: `p99 ${ms(p99[0])} and ${ms(p99[1])}; medians ${ms(quantile(ours.delaysMs, 0.5))} and ${ms(quantile(bare.delaysMs, 0.5))}; ${load}`,
      }) && met;
    met =
      report({
        name: `${name}, memory`,
        compares: 'resident memory of the process that sends, our stream / ws alone',
        value: ours.bytes / bare.bytes,
        bar: 1.5,
        unit: '',
        details: `${Math.round(ours.bytes / MB)} MB and ${Math.round(bare.bytes / MB)} MB`,
      }) && met;
    met = met && ours.missing === 0;
  }
  return met;
}

async function measure(kind: 'daemon' | 'bare', protocol: string): Promise<Measured> {
  const main = join(import.meta.dirname, 'stream-server-main.ts');
  const args = [kind, protocol, CLIENTS, PROJECTS, EVENTS_PER_SECOND].map(String);
  const server = fork(main, args, { execArgv: ['--disable-warning=ExperimentalWarning'] });
  const sockets: WebSocket[] = [];
  try {
    const { urls } = await nextMessage<{ urls: string[] }>(server);
    const delaysMs: number[] = [];
    let received = 0;
    const receive = (data: Buffer) => {
      const at = data.indexOf(SENT_AT);
      if (at < 0) return;
      received += 1;
      const sentNs = data.toString('latin1', at + SENT_AT.length, data.indexOf(' ns', at));
      delaysMs.push(Number(process.hrtime.bigint() - BigInt(sentNs)) / NS_PER_MS);
    };
    for (const [index, url] of urls.entries()) {
      const socket = new WebSocket(url, protocol);
      sockets.push(socket);
      await once(socket, 'open');
      socket.send(subscription(protocol, String(index % PROJECTS)));
      await once(socket, 'message');
      socket.on('message', receive);
    }
    const send = async (forMs: number) => {
      server.send({ forMs });
      const { sent } = await nextMessage<{ sent: number }>(server);
      return (sent * CLIENTS) / PROJECTS;
    };
    await receivedAll(() => received, await send(WARM_UP_MS));
    delaysMs.length = 0;
    received = 0;
    const expected = await send(MEASURED_MS);
    await receivedAll(() => received, expected);
    const bytes = await residentBytes(server.pid ?? 0);
    return { delaysMs, bytes, missing: expected - received };
  } finally {
    for (const socket of sockets) socket.terminate();
    server.kill();
  }
}

/** Also resolves when frames are missing. */
async function receivedAll(received: () => number, expected: number): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (received() < expected && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20));
}

async function nextMessage<T>(server: ChildProcess): Promise<T> {
  const gone = once(server, 'exit').then(([code]) => {
    throw new Error(`the server of the benchmark ended with ${code}`);
  });
  const [message] = await Promise.race([once(server, 'message'), gone]);
  return message as T;
}

function subscription(protocol: string, project: string): string | Uint8Array {
  if (protocol === 'fathom.v1')
    return JSON.stringify({ type: 'subscribe', id: 1, topics: [`work:${project}`] });
  const payload = { case: 'subscribe', value: create(SubscribeSchema, { projectIds: [project] }) } as const;
  return toBinary(WebSocketMessageSchema, create(WebSocketMessageSchema, { messageId: '1', payload }));
}
