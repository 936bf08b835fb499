import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import type { AlertMessage } from '../../daemon/alerts/alert-message.ts';
import { signWebhook } from '../../daemon/base/webhook.ts';
import { SCRIPTED } from '../helpers/deployment.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { freePortRange } from '../helpers/free-ports.ts';
import { type Deployment, deployment } from '../helpers/harness.ts';
import { listening } from '../helpers/listening.ts';
import { mailServer } from '../helpers/mail-server.ts';
import { finished } from '../helpers/queue.ts';
import { until } from '../helpers/until.ts';

const KEY = randomBytes(32);
const SECRET = `whsec_${KEY.toString('base64')}`;
const TOKEN = 'a-token-in-the-path';

interface Received {
  headers: IncomingMessage['headers'];
  body: string;
  message: AlertMessage;
}

/** A receiver until the end of the test. `answer` ends the response, or leaves it open. */
async function receiver(answer: (response: ServerResponse, count: number) => void) {
  const received: Received[] = [];
  const requests: string[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      requests.push(`${request.method} ${request.url}`);
      const body = (await buffer(request)).toString();
      if (request.method === 'POST')
        received.push({ headers: request.headers, body, message: JSON.parse(body) as AlertMessage });
      answer(response, requests.length);
    })();
  });
  return { url: `${await listening(server)}/${TOKEN}`, received, requests };
}

const accept = (response: ServerResponse) => response.writeHead(204).end();

/** Alerts of this deployment count a second as a minute. */
function alertClock(): Record<string, string> {
  return { TEST_ALERT_CLOCK: String(Date.now()), ALERT_INTERVAL: '1' };
}

/** A task that is dead until its handler exists. */
async function addDeadTask(fathom: Deployment): Promise<{ id: string; revive: () => Promise<void> }> {
  const type = `missing-${randomBytes(3).toString('hex')}`;
  const { id } = await fathom.client.queue.add({ type, max_attempts: 1 });
  await finished(fathom, id);
  return {
    id,
    revive: async () => {
      await mkdir(join(fathom.dataDir, 'tasks'), { recursive: true });
      await writeFile(join(fathom.dataDir, 'tasks', `${type}.mjs`), 'export const handle = () => 1;\n');
      await fathom.client.queue.retry(id);
      await finished(fathom, id);
    },
  };
}

const keysOf = (messages: readonly AlertMessage[], kind: 'problems' | 'resolved') =>
  messages.flatMap(({ data }) => data[kind].map(({ key }) => key));

/** A slow start is a problem of its own: a second is a minute. */
const isNotOfStart = (key: string) => key !== 'control_plane';

it('a problem and its end go to webhook, mail and command, and the heartbeat continues', async () => {
  const hook = await receiver(accept);
  const beats = await receiver(accept);
  const mails = await mailServer();
  onTestFinished(() => mails.close());
  const fathom = await deployment({
    ...mails.settings,
    ...alertClock(),
    PUBLIC_URL: 'https://fathom.example.com',
    ALERT_WEBHOOK_URL: hook.url,
    ALERT_WEBHOOK_SECRET: SECRET,
    ALERT_MAIL_TO: 'ops@example.com, on-call@example.com',
    HEARTBEAT_URL: beats.url,
    HEARTBEAT_INTERVAL: '1',
  });
  const [program, file] = [join(fathom.filesDir, 'alert.sh'), join(fathom.filesDir, 'alerts.jsonl')];
  await writeFile(
    program,
    `#!/bin/sh\n[ $# -eq 0 ] || exit 3\ncat >> ${file}\necho >> ${file}\nenv > ${file}.env\n`,
  );
  await chmod(program, 0o755);
  const daemon = await fathom.start({ ALERT_COMMAND: program }, SCRIPTED);
  const task = await addDeadTask(fathom);

  const messages = () => hook.received.map(({ message }) => message);
  await until(() => keysOf(messages(), 'problems').includes('dead_letters'), { what: 'the alert' });
  await task.revive();
  await until(() => keysOf(messages(), 'resolved').includes('dead_letters'), { what: 'its end' });

  for (const { headers, body, message } of hook.received) {
    const id = String(headers['webhook-id']);
    const timestampS = Number(headers['webhook-timestamp']);
    expect(headers['webhook-signature']).toBe(signWebhook({ id, timestampS, body }, KEY));
    expect(id).toBe(message.id);
    expect(message.data.fleet).toBe('https://fathom.example.com');
  }
  expect(keysOf(messages(), 'problems').filter((key) => key === 'dead_letters')).toHaveLength(1);

  const lines = await until(
    async () => {
      const text = await readFile(file, 'utf8').catch(() => '');
      const found = text.split('\n').filter((line) => line !== '');
      return found.length === hook.received.length ? found : null;
    },
    { what: 'the command' },
  );
  expect(lines.map((line) => (JSON.parse(line) as AlertMessage).id)).toEqual(messages().map(({ id }) => id));
  const environment = await readFile(`${file}.env`, 'utf8');
  expect(environment).not.toMatch(/SECRET|KEY|PASSWORD|URL/);

  const mail = await until(() => mails.mails.find(({ text }) => text?.includes('1 task is dead')), {
    what: 'the mail',
  });
  expect(mail.recipients).toEqual(['ops@example.com', 'on-call@example.com']);
  expect(mail.subject).toMatch(/^Fathom at https:\/\/fathom\.example\.com: \d problem/);

  const before = beats.requests.length;
  expect(before).toBeGreaterThan(0);
  await until(() => beats.requests.length > before + 1, { what: 'two further heartbeats' });
  expect(new Set(beats.requests)).toEqual(new Set([`GET /${TOKEN}`]));

  const shown = daemon.output() + JSON.stringify(await fathom.client.daemon.status());
  expect(shown).not.toContain(TOKEN);
  expect(shown).not.toContain(SECRET);
  expect((await stat(join(fathom.dataDir, 'alerts.json'))).mode & 0o777).toBe(0o600);
  expect(await readFile(join(fathom.dataDir, 'alerts.json'), 'utf8')).not.toContain(TOKEN);
});

it('an alert that was decided survives a kill, and nothing is sent again after it', async () => {
  let isOpen = false;
  const hook = await receiver((response) => {
    // Without an answer, the delivery is under way when the daemon is killed.
    if (isOpen) accept(response);
  });
  const fathom = await deployment({
    ...alertClock(),
    ALERT_WEBHOOK_URL: hook.url,
    ALERT_WEBHOOK_SECRET: SECRET,
  });
  const daemon = await fathom.start({}, SCRIPTED);
  await addDeadTask(fathom);
  const [first] = await until(() => (hook.received.length > 0 ? hook.received : null), { what: 'an alert' });
  daemon.signal('SIGKILL');
  await daemon.exited;

  isOpen = true;
  await fathom.start({}, SCRIPTED);
  await until(() => hook.received.length > 1, { what: 'the alert again' });
  expect(hook.received[1]?.message).toEqual(first?.message);
  // A further problem is decided later than all that could be sent again.
  const others = await Promise.all([addDeadTask(fathom), addDeadTask(fathom)]);
  expect(others).toHaveLength(2);
  await until(() => hook.received.some(({ message }) => message.text.includes('3 tasks are dead')), {
    what: 'the alert about more dead tasks',
  });
  const later = hook.received.slice(1).map(({ message }) => message);
  const keys = keysOf(later, 'problems').filter((key) => isNotOfStart(key) && key !== 'dead_letters');
  expect(keys).toHaveLength(new Set(keys).size);
  expect(keysOf(later, 'resolved').filter(isNotOfStart)).toEqual([]);
});

it('a delivery is repeated with the same id, and not after a redirect to elsewhere', async () => {
  const elsewhere = await receiver(accept);
  const hook = await receiver((response, count) => {
    if (count === 1) response.writeHead(503).end();
    else if (count === 2) response.writeHead(307, { location: elsewhere.url }).end();
    else accept(response);
  });
  const fathom = await deployment({
    ...alertClock(),
    ALERT_WEBHOOK_URL: hook.url,
    ALERT_WEBHOOK_SECRET: SECRET,
  });
  const daemon = await fathom.start({}, SCRIPTED);
  await addDeadTask(fathom);
  await until(() => hook.received.length > 2, { what: 'three attempts' });
  const ids = hook.received.slice(0, 3).map(({ headers }) => headers['webhook-id']);
  expect(new Set(ids).size).toBe(1);
  expect(elsewhere.requests).toEqual([]);
  expect(daemon.output()).toContain('answered 503');
  expect(daemon.output()).toContain('redirects are not followed');
  expect(daemon.output()).not.toContain(TOKEN);
});

it('the heartbeat ends and an alert is sent when the global PocketBase does not answer', async () => {
  const hook = await receiver(accept);
  const beats = await receiver(accept);
  const fathom = await deployment({
    ...alertClock(),
    // Always quiet: a critical problem is sent nevertheless.
    ALERT_QUIET_HOURS: '00:00-24:00',
    ALERT_WEBHOOK_URL: hook.url,
    ALERT_WEBHOOK_SECRET: SECRET,
    HEARTBEAT_URL: beats.url,
    HEARTBEAT_INTERVAL: '1',
    PB_HEALTH_INTERVAL: '3600',
  });
  await fathom.start({}, SCRIPTED);
  await until(() => beats.requests.length > 0, { what: 'a heartbeat' });
  const { pid } = await fathom.client.databases.get('global');
  if (pid === null) throw new Error('the global PocketBase does not run');
  process.kill(pid, 'SIGSTOP');
  try {
    const messages = () => hook.received.map(({ message }) => message);
    await until(() => keysOf(messages(), 'problems').includes('control_plane'), { what: 'the alert' });
    await until(async () => (await fathom.client.daemon.status()).alerts.heartbeat?.withheld, {
      what: 'the end of the heartbeat',
    });
    const before = beats.requests.length;
    await until(
      async () => (await readFile(join(fathom.dataDir, 'alerts.json'), 'utf8')).includes('"outbox":[]'),
      { what: 'the delivery to be noted' },
    );
    expect(beats.requests.length).toBe(before);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await until(
    () =>
      keysOf(
        hook.received.map(({ message }) => message),
        'resolved',
      ).includes('control_plane'),
    { what: 'its end' },
  );
  const before = beats.requests.length;
  await until(() => beats.requests.length > before, { what: 'a heartbeat again' });
  const problems = keysOf(
    hook.received.map(({ message }) => message),
    'problems',
  );
  expect(problems.filter(isNotOfStart)).toEqual([]);
});

it('the test of the channels shows what happened, and the doctor and the metrics show failed deliveries', async () => {
  const hook = await receiver((response) => response.writeHead(500).end());
  const fathom = await deployment({
    ...alertClock(),
    ALERT_WEBHOOK_URL: hook.url,
    ALERT_WEBHOOK_SECRET: SECRET,
  });
  const program = join(fathom.filesDir, 'alert.sh');
  await writeFile(program, '#!/bin/sh\ncat > /dev/null\n');
  await chmod(program, 0o755);
  await fathom.start({ ALERT_COMMAND: program }, SCRIPTED);
  const options = { env: { ...fathom.env, ALERT_COMMAND: program }, cwd: fathom.dataDir };
  const { stdout, exitCode } = await fathomd(['alerts', 'test'], options);
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/^webhook +http:\/\/127\.0\.0\.1:\d+ answered 500$/m);
  expect(stdout).toMatch(/^command +has taken the message \(\d+ ms\)$/m);
  const types = hook.received.map(({ message }) => message.type);
  expect(types.filter((type) => type === 'alert.test')).toHaveLength(1);
  const sent = hook.received.find(({ message }) => message.type === 'alert.test');
  expect(sent?.message.text).toContain('It says nothing about the state of the fleet');

  const failed = 'fathom_alert_deliveries_total{channel="webhook",result="failed"}';
  await addDeadTask(fathom);
  await until(
    async () => {
      const metrics = await (await fetch(`${fathom.url}/metrics`)).text();
      return metrics.includes(failed) && !metrics.includes(`${failed} 0\n`);
    },
    { what: 'the metric' },
  );
  const { stdout: status } = await fathomd(['status'], options);
  expect(status).toMatch(/^alerts +to webhook, command; open problems: \d+\n +webhook: .* answered 500$/m);
  const findings = (await doctorFindings(fathom)).filter(({ id }) => id === 'alerts');
  expect(findings).toMatchObject([{ level: 'warning' }]);
  expect(JSON.stringify(findings) + status).not.toContain(TOKEN);

  const state = join(fathom.dataDir, 'alerts.json');
  await rm(state);
  await mkdir(join(state, 'entry'), { recursive: true });
  await addDeadTask(fathom);
  const problem = await until(async () => (await fathom.client.daemon.status()).alerts.state_problem, {
    what: 'the problem of the state',
  });
  expect(problem).toContain('EISDIR');
  expect(JSON.stringify(await doctorFindings(fathom))).toContain('the state of alerts cannot be written');
  expect((await fathomd(['status'], options)).stdout).toContain('their state cannot be written: EISDIR');
});

it('a command that fails is tried again, and the log has what it printed', async () => {
  const fathom = await deployment(alertClock());
  const [program, file] = [join(fathom.filesDir, 'alert.sh'), join(fathom.filesDir, 'runs')];
  await writeFile(
    program,
    `#!/bin/sh\necho x >> ${file}\n[ $(wc -l < ${file}) -gt 1 ] && exit 0\necho 'the pager is away' >&2\nexit 7\n`,
  );
  await chmod(program, 0o755);
  const daemon = await fathom.start({ ALERT_COMMAND: program }, SCRIPTED);
  await addDeadTask(fathom);
  await until(async () => (await readFile(file, 'utf8').catch(() => '')).length >= 4, {
    what: 'a second run',
  });
  expect(daemon.output()).toContain('ALERT_COMMAND ended with 7: the pager is away');
});

it('the example of docs/alerts.md accepts genuine requests only', async () => {
  const docs = await readFile(join(import.meta.dirname, '../../docs/alerts.md'), 'utf8');
  const code = /```js\n(.*?)```/s.exec(docs)?.[1] ?? expect.fail('there is no example');
  const fathom = await deployment();
  const file = join(fathom.filesDir, 'receiver.mjs');
  await writeFile(file, code);
  const port = await freePortRange(1);
  const example = execa(process.execPath, [file], {
    env: { WEBHOOK_SECRET: SECRET, PORT: String(port) },
    reject: false,
    all: true,
  });
  onTestFinished(async () => {
    example.kill();
    await example;
  });
  let printed = '';
  example.all.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const url = `http://127.0.0.1:${port}/`;
  await until(async () => (await fetch(url).catch(() => null)) !== null, { what: 'the example to listen' });

  const body = JSON.stringify({ id: 'msg_1', text: 'a genuine message' });
  const post = (timestampS: number, signed: string, secret: Uint8Array) =>
    fetch(url, {
      method: 'POST',
      body,
      headers: {
        'webhook-id': 'msg_1',
        'webhook-timestamp': String(timestampS),
        'webhook-signature': signWebhook({ id: 'msg_1', timestampS, body: signed }, secret),
      },
    });
  const now = Math.floor(Date.now() / 1000);
  expect((await post(now, 'another body', KEY)).status).toBe(401);
  expect((await post(now, body, randomBytes(32))).status).toBe(401);
  expect((await post(now - 3_600, body, KEY)).status).toBe(401);
  expect((await post(now, body, KEY)).status).toBe(204);
  expect((await post(now, body, KEY)).status).toBe(204);
  await until(() => printed.includes('a genuine message'), { what: 'the example to print' });
  expect(printed.match(/a genuine message/g)).toHaveLength(1);
});
