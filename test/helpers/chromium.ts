import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { WebSocket } from 'ws';

/** Null where there is none. */
export const CHROMIUM =
  ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((path) => existsSync(path)) ?? null;

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--window-size=1300,1400',
  '--remote-debugging-port=0',
];

interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

export interface Page {
  /** URLs that it asked for. */
  readonly requests: string[];
  /** What the browser complained about: violations of the policy, errors of scripts, answers that are missing. */
  readonly problems: string[];
  goTo(url: string): Promise<void>;
  /** The value of an expression of JavaScript in the page, which may be a promise. */
  evaluate<T>(expression: string): Promise<T>;
  /** Writes a PNG. */
  screenshot(path: string): Promise<void>;
}

/** A page in a browser of its own, which ends with `close`. @throws Error when CHROMIUM is null */
export async function openPage(): Promise<Page & { close(): Promise<void> }> {
  if (CHROMIUM === null) throw new Error('there is no Chromium');
  const profile = await mkdtemp(join(tmpdir(), 'fathom-chromium-'));
  const browser = execa(CHROMIUM, [...FLAGS, `--user-data-dir=${profile}`], {
    reject: false,
    stdout: 'ignore',
  });
  const close = async () => {
    browser.kill('SIGKILL');
    await browser;
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    return { ...(await attach(await addressOf(browser.stderr))), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function addressOf(stderr: AsyncIterable<unknown>): Promise<string> {
  let output = '';
  for await (const chunk of stderr) {
    output += String(chunk);
    const address = /DevTools listening on (ws:\S+)/.exec(output)?.[1];
    if (address !== undefined) return address;
  }
  throw new Error(`Chromium ended during its start: ${output}`);
}

/** Speaks the DevTools protocol with a new tab. */
async function attach(address: string): Promise<Page> {
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const waiting = new Map<number, (message: Message) => void>();
  const requests: string[] = [];
  const problems: string[] = [];
  /** Of the tab, once it is there. */
  const session: { sessionId?: string } = {};
  let last = 0;

  const send = async (method: string, params: object = {}): Promise<Record<string, unknown>> => {
    last += 1;
    const id = last;
    const answer = new Promise<Message>((resolve) => waiting.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params, ...session }));
    const { result = {}, error } = await answer;
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  };

  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as Message;
    if (message.id !== undefined) waiting.get(message.id)?.(message);
    const params = message.params ?? {};
    if (message.method === 'Network.requestWillBeSent') {
      requests.push((params['request'] as { url: string }).url);
    }
    if (message.method === 'Log.entryAdded') {
      const { level, text, url } = params['entry'] as { level: string; text: string; url?: string };
      if (level === 'error' || level === 'warning') problems.push(`${text} (${url ?? ''})`);
    }
    if (message.method === 'Runtime.exceptionThrown')
      problems.push(JSON.stringify(params['exceptionDetails']));
  });

  const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
  Object.assign(session, await send('Target.attachToTarget', { targetId, flatten: true }));
  for (const domain of ['Page', 'Network', 'Log', 'Runtime']) await send(`${domain}.enable`);

  return {
    requests,
    problems,
    goTo: async (url) => {
      await send('Page.navigate', { url });
    },
    evaluate: async <T>(expression: string): Promise<T> => {
      const { result, exceptionDetails } = await send('Runtime.evaluate', {
        expression,
        awaitPromise: true,
        returnByValue: true,
      });
      if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
      return (result as { value: T }).value;
    },
    screenshot: async (path) => {
      const { data } = await send('Page.captureScreenshot', { format: 'png' });
      await writeFile(path, Buffer.from(String(data), 'base64'));
    },
  };
}
