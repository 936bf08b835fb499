import { call } from './http-call.ts';
import { until } from './until.ts';

/** One realtime connection to a PocketBase. `titles`: the titles (of users: the names) of the records received, in order. */
export class Realtime {
  readonly titles: string[] = [];
  readonly #url: string;
  readonly #ended = new AbortController();
  #clientId = '';

  constructor(pocketBase: string) {
    this.#url = `${pocketBase}/api/realtime`;
  }

  async connect(): Promise<void> {
    const { body } = await fetch(this.#url, { signal: this.#ended.signal });
    if (!body) throw new Error('the realtime answers without a body');
    // Rejects when it is closed by `close`.
    this.#read(body).catch(() => {});
    await until(() => this.#clientId, { what: 'the id of the connection' });
  }

  /** In the place of what was subscribed before. */
  async subscribe(topic: string, token: string): Promise<number> {
    const body = { clientId: this.#clientId, subscriptions: [topic] };
    return (await call('POST', this.#url, { body, headers: { authorization: token } })).status;
  }

  close(): void {
    this.#ended.abort();
  }

  async #read(body: AsyncIterable<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of body) {
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) this.#take(JSON.parse(/^data:(.*)$/m.exec(block)?.[1] ?? '{}'));
    }
  }

  #take(data: { clientId?: string; record?: { title?: string; name?: string } }): void {
    if (data.clientId !== undefined) this.#clientId = data.clientId;
    const title = data.record?.title ?? data.record?.name;
    if (title !== undefined) this.titles.push(title);
  }
}
