import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Task } from '../../shared/api/queue.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { finished } from '../helpers/queue.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const PASSWORD = randomBytes(12).toString('hex');
const certificates = mkdtempSync(join(tmpdir(), 'fathom-mail-'));
const KEY = join(certificates, 'key.pem');
const CERTIFICATE = join(certificates, 'certificate.pem');

let fathom: Deployment;

beforeAll(async () => {
  const names = ['-subj', '/CN=mail.example.com', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', KEY];
  await execa('openssl', ['req', '-x509', '-days', '2', ...key, '-out', CERTIFICATE, ...names]);
  fathom = await createDeployment({ NODE_EXTRA_CA_CERTS: CERTIFICATE, QUEUE_ALLOWED_TARGETS: '127.0.0.1' });
  await fathom.start();
});

afterAll(async () => {
  await fathom.dispose();
  rmSync(certificates, { recursive: true });
});

interface Received {
  text: string;
  encrypted: boolean;
}

async function mailServer(
  options: SMTPServerOptions,
): Promise<{ port: number; received: Received[]; sockets: Set<Socket> }> {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  const server = new SMTPServer({
    authOptional: false,
    onAuth: ({ username, password }, _session, done) => {
      if (username === 'fathom' && password === PASSWORD) done(null, { user: username });
      else done(new Error('wrong'));
    },
    onData: (stream, { secure }, done) => {
      let text = '';
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      stream.on('end', () => {
        received.push({ text, encrypted: secure });
        done();
      });
    },
    ...options,
  });
  // Clients that end a connection early.
  server.on('error', () => {});
  server.server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => new Promise<void>((resolve) => server.close(resolve)));
  return { port: (server.server.address() as AddressInfo).port, received, sockets };
}

const MAIL = {
  from: 'fathom@example.com',
  to: 'ada@example.com',
  subject: 'Hello',
  text: 'A mail from a task.',
};
const CREDENTIALS = { user: 'fathom', password: PASSWORD };

async function add(smtp: object, secrets: object, mail: object, max_attempts: number): Promise<string> {
  const { id } = await fathom.client.queue.add({
    type: 'mail.send',
    payload: { ...MAIL, ...mail, smtp: { host: '127.0.0.1', ...smtp }, secrets },
    max_attempts,
  });
  return id;
}

async function send(smtp: object, secrets = CREDENTIALS, mail: object = {}, max_attempts = 1) {
  return finished(fathom, await add(smtp, secrets, mail, max_attempts));
}

/** The task after its first attempt, which it does not end with if it is tried again. */
/** @returns the task after a failed attempt: it waits for the next one, or is dead */
async function failedOnce(smtp: object, mail: object): Promise<Task> {
  const id = await add(smtp, CREDENTIALS, mail, 5);
  let last: Task | null = null;
  return until(
    async () => {
      last = await fathom.client.queue.get(id);
      return last.attempts > 0 && last.status !== 'processing' ? last : null;
    },
    { what: () => `an attempt of the task ${id}: ${JSON.stringify(last)}` },
  );
}

it('signs in over STARTTLS and delivers', async () => {
  const { port, received } = await mailServer({ key: readFileSync(KEY), cert: readFileSync(CERTIFICATE) });
  const task = await send({ port });
  expect(task).toMatchObject({ status: 'done', result: { accepted: [MAIL.to], rejected: [] } });
  expect(received).toMatchObject([{ encrypted: true }]);
  expect(received[0]?.text).toContain(MAIL.text);
  expect(received[0]?.text).toContain(`Message-ID: <${task.id}@fathom>`);
  expect(JSON.stringify(task)).not.toContain(PASSWORD);
});

it('gives no password away to a server without STARTTLS, unless it may', async () => {
  const { port, received } = await mailServer({ disabledCommands: ['STARTTLS'], allowInsecureAuth: true });
  const refused = await send({ port });
  expect(refused).toMatchObject({ status: 'dead' });
  expect(refused.errors?.[0]?.message).toMatch(/STARTTLS|not implemented/i);
  expect(received).toEqual([]);
  expect(await send({ port, require_tls: false })).toMatchObject({ status: 'done' });
  expect(received).toMatchObject([{ encrypted: false }]);
});

it('does not try a refused password again', async () => {
  const { port } = await mailServer({ key: readFileSync(KEY), cert: readFileSync(CERTIFICATE) });
  const { id } = await fathom.client.queue.add({
    type: 'mail.send',
    payload: {
      ...MAIL,
      smtp: { host: '127.0.0.1', port },
      secrets: { ...CREDENTIALS, password: 'not this one' },
    },
  });
  expect(await finished(fathom, id)).toMatchObject({ status: 'dead', attempts: 1, max_attempts: 5 });
});

it('keeps the credentials encrypted', async () => {
  const { port } = await mailServer({ key: readFileSync(KEY), cert: readFileSync(CERTIFICATE) });
  await send({ port });
  const stored = readFileSync(join(fathom.dataDir, 'global', 'pb_data', 'data.db'));
  const log = readFileSync(join(fathom.dataDir, 'global', 'pb_data', 'data.db-wal'));
  for (const bytes of [stored, log]) expect(bytes.includes(PASSWORD)).toBe(false);
});

it('is not done when a recipient was refused, and not sent to the others again', async () => {
  const { port, received } = await mailServer({
    key: readFileSync(KEY),
    cert: readFileSync(CERTIFICATE),
    onRcptTo: ({ address }, _session, done) =>
      done(address === 'nobody@example.com' ? new Error('no such mailbox') : null),
  });
  const mail = { to: ['ada@example.com', 'nobody@example.com'] };
  const task = await send({ port }, CREDENTIALS, mail, 5);
  expect(task).toMatchObject({ status: 'dead', attempts: 1 });
  expect(task.last_error).toEqual(textWith('ada@example.com', 'nobody@example.com', 'no such mailbox'));
  expect(received).toHaveLength(1);
});

it.each([
  ['refuses the recipient', 550, 'to'],
  ['refuses the recipient for now', 450, 'to'],
  ['refuses the sender for now', 451, 'from'],
  ['ends the connection', null, 'to'],
] as const)('fails at once when a server without SMTPUTF8 %s', async (_, status, field) => {
  const answer = (address: string, done: (error?: Error) => void) => {
    if (!/\P{ASCII}/u.test(address)) done();
    else if (status === null) for (const socket of sockets) socket.destroy();
    else done(Object.assign(new Error('cannot be delivered'), { responseCode: status }));
  };
  const { port, sockets } = await mailServer({
    key: readFileSync(KEY),
    cert: readFileSync(CERTIFICATE),
    hideSMTPUTF8: true,
    onMailFrom: ({ address }, _session, done) => answer(address, done),
    onRcptTo: ({ address }, _session, done) => answer(address, done),
  });
  const odd = 'j\u00fcrgen@example.com';
  const task = await send({ port }, CREDENTIALS, { [field]: odd }, 5);
  expect(task).toMatchObject({ status: 'dead', attempts: 1 });
  expect(task.last_error).toEqual(textWith(odd, 'SMTPUTF8', 'use another address'));
});

it('delivers to letters outside ASCII over a server with SMTPUTF8, and tries again when it is busy', async () => {
  const certificate = { key: readFileSync(KEY), cert: readFileSync(CERTIFICATE) };
  const odd = { to: 'J\u00fcrgen <j\u00fcrgen@m\u00fcller.example>' };
  const { port, received } = await mailServer(certificate);
  expect(await send({ port }, CREDENTIALS, odd, 5)).toMatchObject({ status: 'done' });
  expect(received).toHaveLength(1);
  const busy = await mailServer({
    ...certificate,
    onRcptTo: (_address, _session, done) => done(Object.assign(new Error('busy'), { responseCode: 450 })),
  });
  const task = await failedOnce({ port: busy.port }, odd);
  expect(task).toMatchObject({ status: 'pending' });
  expect(task.last_error).toEqual(textWith('busy'));
  expect(task.last_error).not.toContain('SMTPUTF8');
  // A domain alone is written in ASCII.
  const plain = await mailServer({ ...certificate, hideSMTPUTF8: true });
  const domain = { to: 'J\u00fcrgen <ada@m\u00fcller.example>' };
  expect(await send({ port: plain.port }, CREDENTIALS, domain)).toMatchObject({ status: 'done' });
});

describe.each([false, true])(
  'when a server without SMTPUTF8 takes the address (hidePIPELINING: %s)',
  (hidden) => {
    const odd = 'j\u00fcrgen@example.com';
    const options = () => ({
      key: readFileSync(KEY),
      cert: readFileSync(CERTIFICATE),
      hideSMTPUTF8: true,
      hidePIPELINING: hidden,
    });

    it('tries again after a temporary failure of the mail', async () => {
      const { port } = await mailServer({
        ...options(),
        onData: (stream, _session, done) => {
          stream.resume();
          stream.on('end', () => done(Object.assign(new Error('no room'), { responseCode: 451 })));
        },
      });
      const task = await failedOnce({ port }, { to: odd });
      expect(task).toMatchObject({ status: 'pending' });
      expect(task.last_error).toEqual(textWith('no room'));
    });

    it('names only another address that is refused', async () => {
      const { port, received } = await mailServer({
        ...options(),
        onRcptTo: ({ address }, _session, done) =>
          done(address === odd ? null : Object.assign(new Error('no such mailbox'), { responseCode: 550 })),
      });
      const task = await send({ port }, CREDENTIALS, { to: [odd, 'bob@example.com'] }, 5);
      expect(task).toMatchObject({ status: 'dead', attempts: 1 });
      expect(task.last_error).toEqual(textWith('bob@example.com', 'no such mailbox', 'add another task'));
      expect(task.last_error).not.toContain('SMTPUTF8');
      expect(received).toHaveLength(1);
    });
  },
);

it('takes no line end into an envelope or a header', async () => {
  const recipients: string[] = [];
  const { port, received } = await mailServer({
    key: readFileSync(KEY),
    cert: readFileSync(CERTIFICATE),
    onRcptTo: ({ address }, _session, done) => {
      recipients.push(address);
      done();
    },
  });
  const more = 'ada@example.com\r\nRCPT TO:<eve@example.com>';
  for (const mail of [
    { to: more },
    { to: [more] },
    { cc: more },
    { bcc: more },
    { from: more },
    { reply_to: more },
    { subject: 'Hello\nBcc: eve@example.com' },
    { to: 'ada@example.com\u0000' },
  ]) {
    expect(await send({ port }, CREDENTIALS, mail, 5), JSON.stringify(mail)).toMatchObject({
      status: 'dead',
      attempts: 1,
    });
  }
  expect({ recipients, received }).toEqual({ recipients: [], received: [] });
});

it('connects to no server that is not public, unless it is allowed', async () => {
  const { port, received } = await mailServer({ key: readFileSync(KEY), cert: readFileSync(CERTIFICATE) });
  for (const host of ['127.0.0.2', '::1', '::ffff:127.0.0.2']) {
    const task = await send({ host, port }, CREDENTIALS, {}, 5);
    expect(task, host).toMatchObject({ status: 'dead', attempts: 1 });
    expect(task.last_error).toContain('QUEUE_ALLOWED_TARGETS=');
  }
  expect(received).toEqual([]);
});
