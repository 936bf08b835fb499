import { connect, type Socket } from 'node:net';
import { HTTPParser } from 'http-parser-js';

export interface HttpAnswer {
  status: number;
  body: string;
}

/**
 * A kept HTTP/1.1 connection that takes one request after the other. `node:http` needs twice as long for a short request
 * and its answer (docs/decisions/0014-queue-connection.md).
 */
export class HttpConnection {
  readonly #socket: Socket;
  readonly #parser = new HTTPParser('RESPONSE');
  readonly #parts: Buffer[] = [];
  #status = 0;
  #keep = true;
  #waiting: PromiseWithResolvers<HttpAnswer> | null = null;

  /** @param target.timeoutMs an answer has to go on arriving within this; the idle connection ends after it */
  constructor(target: { host: string; port: number; timeoutMs: number }) {
    const { host, port, timeoutMs } = target;
    this.#parser.onHeadersComplete = ({ statusCode, shouldKeepAlive }) => {
      // More than the one answer, in the same piece: its rest would be the beginning of the next one.
      if (!this.#waiting) this.#socket.destroy();
      this.#status = statusCode;
      this.#keep = shouldKeepAlive;
    };
    this.#parser.onBody = (chunk, offset, length) => {
      this.#parts.push(chunk.subarray(offset, offset + length));
    };
    this.#parser.onMessageComplete = () => this.#answered();
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

  /** Whether it can take a request. */
  get idle(): boolean {
    return this.#waiting === null && !this.ended;
  }

  /** Whether it takes none any more. */
  get ended(): boolean {
    return this.#socket.destroyed;
  }

  /** @throws when nobody knows whether the request arrived, or the answer did not come in time or whole */
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

  #answered(): void {
    const [only] = this.#parts;
    const bytes = this.#parts.length === 1 && only ? only : Buffer.concat(this.#parts);
    const answer = { status: this.#status, body: bytes.toString('utf8') };
    this.#parts.length = 0;
    if (!this.#keep) this.#socket.destroy();
    this.#waiting?.resolve(answer);
    this.#waiting = null;
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = null;
  }
}
