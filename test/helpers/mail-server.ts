import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { execa } from 'execa';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { until } from './until.ts';

export const SMTP_USER = 'fathom';
export const SMTP_PASSWORD = 'a secret of the mail server';
export const MAIL_FROM = 'Example Cloud <noreply@example.com>';

export interface ReceivedMail extends Email {
  /** Recipients of the envelope. */
  recipients: string[];
  encrypted: boolean;
  signedIn: boolean;
}

export interface MailServer {
  port: number;
  mails: ReceivedMail[];
  /** Settings of a daemon that sends over this server. */
  settings: Record<string, string>;
  /** Waits for a mail to the address that no earlier call returned. */
  mailTo(address: string): Promise<ReceivedMail>;
  close(): Promise<void>;
}

/** An SMTP server that wants STARTTLS and a sign-in, unless the options say otherwise. */
export async function mailServer(options: SMTPServerOptions = {}): Promise<MailServer> {
  const directory = await mkdtemp(join(tmpdir(), 'fathom-mail-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')];
  const names = ['-subj', '/CN=mail.example.com', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await execa('openssl', ['req', '-x509', '-days', '2', ...kind, '-keyout', key, '-out', cert, ...names]);
  const mails: ReceivedMail[] = [];
  const returned = new Set<ReceivedMail>();
  const server = new SMTPServer({
    key: readFileSync(key),
    cert: readFileSync(cert),
    authOptional: false,
    onAuth: ({ username, password }, _session, done) => {
      if (username === SMTP_USER && password === SMTP_PASSWORD) done(null, { user: username });
      else done(new Error('wrong'));
    },
    onData: (stream, { envelope, secure, user }, done) => {
      void (async () => {
        const mail = await PostalMime.parse(await buffer(stream));
        const recipients = envelope.rcptTo.map(({ address }) => address);
        mails.push({ ...mail, recipients, encrypted: secure, signedIn: user === SMTP_USER });
        done();
      })();
    },
    ...options,
  });
  // Clients that end a connection early.
  server.on('error', () => {});
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.server.address() as AddressInfo;
  return {
    port,
    mails,
    settings: {
      SMTP_HOST: '127.0.0.1',
      SMTP_PORT: String(port),
      SMTP_USER,
      SMTP_PASSWORD,
      MAIL_FROM,
      NODE_EXTRA_CA_CERTS: cert,
    },
    mailTo: async (address) => {
      const mail = await until(
        () => mails.find((one) => one.recipients.includes(address) && !returned.has(one)),
        { what: `a mail to ${address}` },
      );
      returned.add(mail);
      return mail;
    },
    close: async () => {
      await new Promise<void>((resolve) => server.close(resolve));
      await rm(directory, { recursive: true });
    },
  };
}

/** The link of a mail, which both of its parts contain. */
export function linkIn({ html = '', text = '' }: Email): URL {
  const inText = /https?:\/\/[^\s)]+/.exec(text)?.[0] ?? '';
  const inHtml = /href="([^"]+)"/.exec(html)?.[1]?.replaceAll('&amp;', '&');
  if (inText === '' || inText !== inHtml) throw new Error(`the parts have the links ${inText} and ${inHtml}`);
  return new URL(inText);
}

/** The token of a link to one of the pages. */
export function tokenIn(link: URL): string {
  return new URLSearchParams(link.hash.slice(1)).get('token') ?? link.hash.slice(1);
}
