import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import type { Client, ServerHostKeyAlgorithm, SFTPWrapper } from 'ssh2';
import { messageOf } from '../../../shared/errors.ts';
import { unlessMissing } from '../../base/files/dir.ts';
import { findHostKeys, type HostKeyVerdict, judgeHostKey, type KnownHostKey } from './known-hosts.ts';
import { problemOf, problemOfSystem, TargetProblem } from './target-problem.ts';

export interface SftpServer {
  user: string;
  host: string;
  port: number;
  /** Path of a private key without a passphrase. */
  keyFile: string;
  /** Paths in the format of sshd(8); files that are missing are left out. */
  knownHosts: readonly string[];
  connectTimeoutMs: number;
}

export interface SftpConnection {
  sftp: SFTPWrapper;
  /** Aborts when the connection has ended. */
  ended: AbortSignal;
  /** Whether the process waits for this connection before it ends. */
  keepProcess(keeps: boolean): void;
  end(): void;
}

/** Signs in with the key, after the server has shown a key of `known_hosts`. @throws TargetProblem */
export async function connectSftp(where: string, server: SftpServer): Promise<SftpConnection> {
  const privateKey = await readKey(where, server.keyFile);
  const known = await readKnownHosts(server);
  const { default: ssh } = await import('ssh2');
  const socket = await openSocket(where, server);
  const client = new ssh.Client();
  const ended = new AbortController();
  client.on('close', () => ended.abort(new Error('the connection was lost')));
  let verdict: HostKeyVerdict = 'known';
  const algorithms = algorithmsOf(known);
  try {
    const ready = signIn(client, {
      sock: socket,
      username: server.user,
      privateKey,
      readyTimeout: server.connectTimeoutMs,
      // A connection that was cut without a packet is noticed.
      keepaliveInterval: server.connectTimeoutMs,
      ...(algorithms.length > 0 ? { algorithms: { serverHostKey: algorithms } } : {}),
      hostVerifier: (key: Buffer) => {
        verdict = judgeHostKey(known, key);
        return verdict === 'known';
      },
    });
    const sftp = await ready;
    return {
      sftp,
      ended: ended.signal,
      keepProcess: (keeps) => (keeps ? socket.ref() : socket.unref()),
      end: () => {
        ended.abort(new Error('the connection was ended'));
        client.destroy();
      },
    };
  } catch (error) {
    client.destroy();
    socket.destroy();
    throw hostKeyProblem(where, verdict, server) ?? problemOfSsh(where, error, server);
  }
}

async function signIn(client: Client, options: Parameters<Client['connect']>[0]): Promise<SFTPWrapper> {
  const failed = new Promise<never>((_, reject) => {
    client.on('error', reject);
    client.on('close', () => reject(new Error('the server ended the connection')));
  });
  const ready = new Promise<SFTPWrapper>((resolve, reject) => {
    client.on('ready', () => client.sftp((error, sftp) => (error ? reject(error) : resolve(sftp))));
  });
  client.connect(options);
  return Promise.race([ready, failed]);
}

async function openSocket(where: string, { host, port, connectTimeoutMs }: SftpServer): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true });
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(connectTimeoutMs) });
    return socket;
  } catch (error) {
    socket.destroy();
    const isTimeout = error instanceof Error && error.name === 'AbortError';
    if (isTimeout) throw problemOf('slow', where, new Error(`no connection in ${connectTimeoutMs} ms`));
    throw problemOfSystem(where, error) ?? problemOf('away', where, error);
  }
}

async function readKey(where: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new TargetProblem('credentials', where, `needs the private key ${path} (${messageOf(error)})`, {
      nextStep: "create one with 'ssh-keygen -t ed25519', or set ?key=… in BACKUP_TARGET",
      cause: error,
    });
  }
}

async function readKnownHosts({ knownHosts, host, port }: SftpServer): Promise<KnownHostKey[]> {
  const texts = knownHosts.map((path) => readFile(path, 'utf8').catch(unlessMissing));
  return (await Promise.all(texts)).flatMap((text) => findHostKeys(text ?? '', host, port));
}

/** A server has several keys: it shows one of a type that is known. */
function algorithmsOf(known: readonly KnownHostKey[]): ServerHostKeyAlgorithm[] {
  const types = known.filter(({ isRevoked }) => !isRevoked).map(({ type }) => type);
  const algorithms = types.flatMap((type) =>
    type === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [type],
  );
  return [...new Set(algorithms)] as ServerHostKeyAlgorithm[];
}

function hostKeyProblem(
  where: string,
  verdict: HostKeyVerdict,
  { host, port, knownHosts }: SftpServer,
): TargetProblem | null {
  const add = `compare its key with its administrator, then add it with 'ssh-keyscan -p ${port} ${host} >> ${knownHosts[0]}'`;
  switch (verdict) {
    case 'known':
      return null;
    case 'unknown':
      return new TargetProblem('untrusted', where, 'has a host key that known_hosts does not contain', {
        nextStep: add,
      });
    case 'changed':
      return new TargetProblem('untrusted', where, 'has another host key than known_hosts', {
        nextStep: `ask its administrator whether the key was changed; only then remove the former one with 'ssh-keygen -R' and ${add}`,
      });
    case 'revoked':
      return new TargetProblem('untrusted', where, 'has a host key that is revoked in known_hosts', {
        nextStep: 'ask its administrator for the new key',
      });
  }
}

function problemOfSsh(where: string, error: unknown, { user, keyFile }: SftpServer): TargetProblem {
  if (error instanceof TargetProblem) return error;
  const level = error instanceof Error && 'level' in error ? error.level : null;
  if (level === 'client-authentication')
    return problemOf('credentials', where, error, `add ${keyFile}.pub to the authorized keys of '${user}'`);
  if (level === 'client-timeout') return problemOf('slow', where, error);
  if (/privateKey|passphrase/i.test(messageOf(error)))
    return problemOf('credentials', where, error, `use a key file without a passphrase, mode 0600`);
  if (level === 'handshake') return problemOf('untrusted', where, error);
  return problemOfSystem(where, error) ?? problemOf('away', where, error);
}
