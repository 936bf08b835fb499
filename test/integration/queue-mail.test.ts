import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { finished } from '../helpers/queue.ts';

const PASSWORD = randomBytes(12).toString('hex');
const certificates = mkdtempSync(join(tmpdir(), 'fathom-mail-'));
const KEY = join(certificates, 'key.pem');
const CERTIFICATE = join(certificates, 'certificate.pem');

let fathom: Deployment;

beforeAll(async () => {
  const names = ['-subj', '/CN=mail.example.com', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', KEY];
  await execa('openssl', ['req', '-x509', '-days', '2', ...key, '-out', CERTIFICATE, ...names]);
  fathom = await createDeployment({ NODE_EXTRA_CA_CERTS: CERTIFICATE });
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

async function mailServer(options: SMTPServerOptions): Promise<{ port: number; received: Received[] }> {
  const received: Received[] = [];
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
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => new Promise<void>((resolve) => server.close(resolve)));
  return { port: (server.server.address() as AddressInfo).port, received };
}

const MAIL = {
  from: 'fathom@example.com',
  to: 'ada@example.com',
  subject: 'Hello',
  text: 'A mail from a task.',
};
const CREDENTIALS = { user: 'fathom', password: PASSWORD };

async function send(smtp: object, secrets = CREDENTIALS) {
  const { id } = await fathom.client.queue.add({
    type: 'mail.send',
    payload: { ...MAIL, smtp: { host: '127.0.0.1', ...smtp }, secrets },
    max_attempts: 1,
  });
  return finished(fathom, id);
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
