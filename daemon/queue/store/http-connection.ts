import { connect, type Socket } from 'node:net';
import { HTTPParser } from 'http-parser-js';

export interface HttpAnswer {
  status: number;
  body: string;
}

/**
 * A persistent HTTP/1.1 connection that sends one request after the other. `node:http` takes twice as long for a short request
 * and its response (docs/decisions/0014-queue-connection.md).
 */
export class HttpConnection {
  readonly #socket: Socket;
  readonly #parser = new HTTPParser('RESPONSE');
  readonly #parts: Buffer[] = [];
  #status = 0;
  #keepAlive = true;
  #waiting: PromiseWithResolvers<HttpAnswer> | null = null;

  /** @param target.timeoutMs longest time without data, for a response and for an idle connection */
  constructor(target: { host: string; port: number; timeoutMs: number }) {
    const { host, port, timeoutMs } = target;
    this.#parser.onHeadersComplete = ({ statusCode, shouldKeepAlive }) => {
      // A second response in the same chunk would be taken for the response to the next request.
      if (!this.#waiting) this.#socket.destroy();
      this.#status = statusCode;
      this.#keepAlive = shouldKeepAlive;
    };
    this.#parser.onBody = (chunk, offset, length) => {
      this.#parts.push(chunk.subarray(offset, offset + length));
    };
    this.#parser.onMessageComplete = () => this.#completeResponse();
    this.#socket = connect({ host, port, noDelay: true });
    this.#socket.on('data', (chunk) => {
      if (!this.#waiting) {
        this.#socket.destroy();
        return;
      }
      const parsed = this.#parser.execute(chunk);
      if (parsed instanceof Error) this.#socket.destroy(parsed);
    });
    this.#socket.setTimeout(timeoutMs, () => {
      this.#socket.destroy(new Error(`no answer within ${timeoutMs / 1000} s`));
    });
    this.#socket.once('error', (error) => this.#fail(error));
    this.#socket.once('end', () => this.#socket.destroy());
    this.#socket.once('close', () => this.#fail(new Error('the connection ended without an answer')));
  }

  /** Whether it can send a request. */
  get isIdle(): boolean {
    return this.#waiting === null && !this.isClosed;
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  /** @throws when no complete response arrived in time; the request may have been processed */
  send(path: string, headers: Readonly<Record<string, string>>, body: string): Promise<HttpAnswer> {
    const waiting = Promise.withResolvers<HttpAnswer>();
    this.#waiting = waiting;
    const lines = Object.entries({ ...headers, 'content-length': String(Buffer.byteLength(body)) });
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    this.#socket.write(`POST ${path} HTTP/1.1\r\n${head}\r\n${body}`);
    return waiting.promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #completeResponse(): void {
    const [only] = this.#parts;
    const bytes = this.#parts.length === 1 && only ? only : Buffer.concat(this.#parts);
    const answer = { status: this.#status, body: bytes.toString('utf8') };
    this.#parts.length = 0;
    if (!this.#keepAlive) this.#socket.destroy();
    this.#waiting?.resolve(answer);
    this.#waiting = null;
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = null;
  }
}
