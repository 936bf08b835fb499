import { connect } from 'node:net';
import { WebSocket } from 'ws';
import type { FleetEvent } from '../../shared/events.ts';
import type { ServerFrame } from '../../shared/server-frames.ts';
import type { Deployment } from './deployment.ts';
import { until } from './until.ts';

export interface StreamOptions {
  /** Connects over TCP also without credentials; without any of these it connects over the local socket. */
  tcp?: boolean;
  token?: string;
  ticket?: string;
  origin?: string;
  protocol?: string | null;
}

/** One connection of the stream, opened with `ws` alone: what came in, and how it ended. */
export class StreamReader {
  readonly socket: WebSocket;
  readonly frames: ServerFrame[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;

  constructor(fathom: Deployment, options: StreamOptions = {}) {
    const { token, ticket, origin, protocol = 'fathom.v1' } = options;
    const tcp = options.tcp ?? (token !== undefined || ticket !== undefined);
    const query = ticket === undefined ? '' : `?ticket=${ticket}`;
    const address = tcp ? fathom.url.replace('http', 'ws') : 'ws://localhost';
    this.socket = new WebSocket(`${address}/ws${query}`, protocol === null ? [] : [protocol], {
      ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
      ...(origin === undefined ? {} : { origin }),
      ...(tcp ? {} : { createConnection: () => connect(fathom.socketPath) }),
    });
    this.socket.on('message', (data) => {
      this.frames.push(JSON.parse((data as Buffer).toString()) as ServerFrame);
    });
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.socket.on('error', () => {});
  }

  /** Resolves with the status of the refusal, or with 101 when it was not refused. */
  get answered(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.socket.once('open', () => resolve(101));
      this.socket.once('unexpected-response', (request, response) => {
        resolve(response.statusCode ?? 0);
        request.destroy();
      });
      this.socket.once('error', reject);
    });
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  }

  async subscribe(id: number, ...topics: string[]): Promise<void> {
    if (this.socket.readyState !== WebSocket.OPEN) await this.answered;
    this.send({ type: 'subscribe', id, topics });
    await this.untilFrame(
      (frame) => frame.type === 'ok' && frame.id === id,
      `the subscription of ${topics.join()}`,
    );
  }

  /** The first frame, after those before `from`, that is so. */
  untilFrame(isSo: (frame: ServerFrame) => boolean, what: string, { from = 0 } = {}): Promise<ServerFrame> {
    return until(() => this.frames.slice(from).find(isSo), { what: `a frame with ${what}` });
  }

  events(topic: string): FleetEvent[] {
    return this.frames.flatMap((frame) =>
      frame.type === 'event' && frame.topic === topic ? [frame.event] : [],
    );
  }

  sequences(topic: string): number[] {
    return this.frames.flatMap((frame) =>
      (frame.type === 'event' || frame.type === 'snapshot') && frame.topic === topic ? [frame.seq] : [],
    );
  }

  close(): void {
    this.socket.terminate();
  }
}
