import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DamagedObject } from '../../daemon/backups/backup-problem.ts';
import { openTarget } from '../../daemon/backups/targets/open-target.ts';
import { S3Target } from '../../daemon/backups/targets/s3-target.ts';
import { SftpTarget } from '../../daemon/backups/targets/sftp-target.ts';
import type { Target } from '../../daemon/backups/targets/target.ts';
import { TargetProblem } from '../../daemon/backups/targets/target-problem.ts';
import { createDeployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { freePortRange } from '../helpers/free-ports.ts';
import { mayMount, mountTmpfs } from '../helpers/mounts.ts';
import { findS3Server, type S3Server, startS3Server } from '../helpers/s3-server.ts';
import { scratch } from '../helpers/scratch.ts';
import { isSshdInstalled, type SftpServer, startSftpServer } from '../helpers/sftp-server.ts';
import { describeTarget, listAll } from '../helpers/target-conformance.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const ANY = { accessKeyId: 'any', secretAccessKey: 'any' };
const s3 = await findS3Server('the target S3');

describe.skipIf(s3 === null)('S3', () => {
  let server: S3Server;
  let buckets = 0;
  beforeAll(async () => {
    server = await startS3Server(s3 ?? '');
  });
  afterAll(() => server[Symbol.asyncDispose]());

  async function newBucket(options: { withLock?: boolean } = {}): Promise<string> {
    buckets += 1;
    const name = `bucket-${buckets}`;
    await server.createBucket(name, options);
    return name;
  }

  function open(place: string, options: Record<string, string> = {}): Target {
    const query = new URLSearchParams({ endpoint: server.url, region: 'eu-central-1', ...options });
    const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = server.credentials;
    return openTarget(`s3://${place}?${query.toString()}`, {
      s3Credentials: { accessKeyId, secretAccessKey },
    });
  }

  describeTarget('s3', async () => open(`${await newBucket()}/a/prefix`));

  it('lists more objects than one page has', async () => {
    const target = open(await newBucket());
    const keys = Array.from({ length: 1_005 }, (_, index) => `many/${index}`);
    for (let first = 0; first < keys.length; first += 15) {
      await Promise.all(keys.slice(first, first + 15).map((key) => target.put(key, Buffer.of(1))));
    }
    expect((await listAll(target, 'many/')).map(({ key }) => key).toSorted()).toEqual(keys.toSorted());
  });

  it('signs in with the right credentials, and names wrong ones', async () => {
    const bucket = await newBucket();
    await server.requireCredentials(true);
    try {
      await open(bucket).put('a', Buffer.from('stored'));
      expect(String(await open(bucket).get('a'))).toBe('stored');
      const query = `endpoint=${encodeURIComponent(server.url)}`;
      const secretAccessKey = 'a wrong secret';
      const { AWS_ACCESS_KEY_ID: known } = server.credentials;
      for (const [accessKeyId, setting] of [
        [known, 'AWS_SECRET_ACCESS_KEY'],
        ['AKIAUNKNOWNUNKNOWN00', 'AWS_ACCESS_KEY_ID'],
      ] as const) {
        const wrong = openTarget(`s3://${bucket}?${query}`, {
          s3Credentials: { accessKeyId, secretAccessKey },
        });
        const calls = [
          () => wrong.put('b', Buffer.of(1)),
          () => wrong.get('a'),
          () => wrong.has('a'),
          () => listAll(wrong, ''),
        ];
        for (const call of calls) {
          const problem = await problemOfCall(call());
          expect(problem.reason).toBe('credentials');
          expect(problem.message).not.toContain(secretAccessKey);
          // The answer to `has` has no content with the reason.
          if (call !== calls[2]) expect(problem.nextStep).toContain(setting);
        }
      }
    } finally {
      await server.requireCredentials(false);
    }
  });

  it('names a bucket that does not exist', async () => {
    const target = open('no-such-bucket');
    for (const call of [
      () => target.put('a', Buffer.of(1)),
      () => target.get('a'),
      () => listAll(target, ''),
    ]) {
      expect(await problemOfCall(call())).toMatchObject({ reason: 'missing' });
    }
  });

  it('names a server that is away, slow or full', async () => {
    const port = await freePortRange(1);
    const away = openTarget(`s3://b?endpoint=http://127.0.0.1:${port}`, { s3Credentials: ANY });
    expect(await problemOfCall(away.get('a'))).toMatchObject({ reason: 'away' });

    await using silent = await listen(createServer(() => {}));
    const slow = new S3Target({
      bucket: 'b',
      prefix: '',
      endpoint: silent.url,
      region: 'eu-central-1',
      encryption: null,
      lockDays: null,
      credentials: ANY,
      connectTimeoutMs: 200,
      idleTimeoutMs: 200,
    });
    expect(await problemOfCall(slow.put('a', Buffer.of(1)))).toMatchObject({ reason: 'slow' });

    await using fullServer = await listen(
      createServer((_, response) =>
        response.writeHead(507).end('<Error><Code>XMinioStorageFull</Code></Error>'),
      ),
    );
    const full = openTarget(`s3://b?endpoint=${fullServer.url}`, { s3Credentials: ANY });
    expect(await problemOfCall(full.put('a', Buffer.of(1)))).toMatchObject({ reason: 'full' });
  });

  it('lets the server encrypt', async () => {
    const bucket = await newBucket();
    await open(bucket, { encryption: 'aws:kms', 'encryption-key': 'a-key' }).put('a', Buffer.of(1));
    const { headers } = await server.request(`/${bucket}/a`);
    expect(headers.get('x-amz-server-side-encryption')).toBe('aws:kms');
    expect(headers.get('x-amz-server-side-encryption-aws-kms-key-id')).toBe('a-key');
  });

  it('protects objects for the days of the lock, but not the keys of databases', async () => {
    const bucket = await newBucket({ withLock: true });
    const target = open(bucket, { 'lock-days': '30' });
    await target.put('chunks/a', Buffer.from('protected'));
    const { headers } = await server.request(`/${bucket}/chunks/a`);
    const version = headers.get('x-amz-version-id') ?? '';
    expect(headers.get('x-amz-object-lock-mode')).toBe('COMPLIANCE');
    await target.put('chunks/a', Buffer.from('overwritten'));
    await target.delete('chunks/a');
    expect(await target.get('chunks/a')).toBeNull();
    const path = `/${bucket}/chunks/a?versionId=${encodeURIComponent(version)}`;
    expect((await server.request(path, { method: 'DELETE' })).status).toBe(403);
    expect(await (await server.request(path)).text()).toBe('protected');
    expect(await problemOfCall(target.erase('chunks/a'))).toMatchObject({ reason: 'locked' });

    await target.put('keys/a.json', Buffer.from('first'));
    await target.put('keys/a.json', Buffer.from('second'));
    await target.delete('keys/a.json');
    await target.erase('keys/a.json');
    const versions = await (await server.request(`/${bucket}?versions&prefix=keys/`)).text();
    expect(versions).not.toMatch(/<Version>|<DeleteMarker>/);
  });
});

it.skipIf(s3 === null || !isSshdInstalled)('the daemon backs up to both (skipped without them)', async () => {
  await using server = await startS3Server(s3 ?? '');
  await using sftp = await startSftpServer();
  await server.createBucket('fathom');
  await server.requireCredentials(true);
  const bucket = `s3://fathom/host?endpoint=${encodeURIComponent(server.url)}`;
  const targets = [bucket, urlOf(sftp, 'host')];
  const fathom = await createDeployment({ ...server.credentials }, { ports: 1 });
  try {
    for (const BACKUP_TARGET of targets) {
      const daemon = await fathom.start({ BACKUP_TARGET });
      const { exitCode, stderr } = await fathomd(['backups', 'create', 'global'], fathom);
      expect([exitCode, stderr]).toEqual([0, '']);
      const verified = await fathom.client.backups.verify('global', {});
      expect(verified.items).toMatchObject([{ state: 'complete' }]);
      expect(daemon.output()).not.toContain(server.credentials.AWS_SECRET_ACCESS_KEY);
      await daemon.stop();
    }
    const [BACKUP_TARGET = ''] = targets;
    await fathom.start({ BACKUP_TARGET, AWS_SECRET_ACCESS_KEY: 'a wrong secret' });
    const { exitCode, stderr } = await fathomd(['backups', 'create', 'global'], fathom);
    expect([exitCode, stderr]).toEqual([1, textWith('target_denied', 'AWS_SECRET_ACCESS_KEY')]);
    const [failure] = (await fathom.client.daemon.status()).backups.failures;
    expect(failure?.remedy).toContain('AWS_SECRET_ACCESS_KEY');
    expect(failure?.message).not.toContain(failure?.remedy);
  } finally {
    await fathom.dispose();
  }
});

const sftpTitle = `SFTP${isSshdInstalled ? '' : ' (skipped: apt-get install openssh-server)'}`;

describe.skipIf(!isSshdInstalled)(sftpTitle, () => {
  let server: SftpServer;
  let directories = 0;
  beforeAll(async () => {
    server = await startSftpServer();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  function open(directory: string, options: Record<string, string> = {}): Target {
    return openTarget(urlOf(server, directory, options));
  }

  describeTarget('sftp', async () => {
    directories += 1;
    return open(`${directories}/backups`);
  });

  it('removes what killed writers have left, and nothing of living ones', async () => {
    const target = open('left');
    await target.put('chunks/a/00/1', Buffer.of(1));
    const parent = join(server.directory, 'left', 'chunks', 'a', '00');
    const [old, writing] = ['.put-1', '.put-2'].map((name) => join(parent, name)) as [string, string];
    for (const path of [old, writing]) await writeFile(path, 'a part');
    await utimes(old, 0, 0);
    const before = new Date(Date.now() - 86_400_000);
    for (const prefix of ['', 'none/', 'chunks/a/']) await target.removeUnfinished(prefix, before);
    expect((await readdir(parent)).toSorted()).toEqual(['.put-2', '1']);
  });

  it('names a key that the server does not accept, and one that is missing or has a passphrase', async () => {
    const locked = join(await scratch(), 'locked');
    await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'passphrase', '-f', locked]);
    for (const key of [server.strangeKey, '/no/such/key', locked]) {
      expect(await problemOfCall(open('a', { key }).get('a')), key).toMatchObject({ reason: 'credentials' });
    }
  });

  it('knows the host key in a hashed file too', async () => {
    const hashed = join(await scratch(), 'known-hosts');
    await copyFile(server.knownHosts, hashed);
    await execa('ssh-keygen', ['-H', '-f', hashed]);
    expect(await readFile(hashed, 'utf8')).toMatch(/^\|1\|/);
    expect(await open('a', { 'known-hosts': hashed }).get('a')).toBeNull();
  });

  it('does not sign in at a server with an unknown or a changed host key', async () => {
    await using other = await startSftpServer();
    const unknown = await problemOfCall(
      openTarget(urlOf(other, 'a', { 'known-hosts': '/no/such/file' })).put('a', Buffer.of(1)),
    );
    expect(unknown).toMatchObject({ reason: 'untrusted' });
    expect(await openTarget(urlOf(other, 'a')).get('a')).toBeNull();
    await other.changeHostKey();
    const changed = await problemOfCall(openTarget(urlOf(other, 'a')).put('a', Buffer.of(1)));
    expect(changed).toMatchObject({ reason: 'untrusted' });
    expect(changed.message).toContain('another host key');
    expect(await readdir(other.directory)).toEqual([]);
  });

  it('names a server that is away, and continues when it is back', async () => {
    const target = open('away');
    await target.put('a', Buffer.from('before'));
    await server.stop();
    expect(await problemOfCall(target.get('a'))).toMatchObject({ reason: 'away' });
    await server.start();
    expect(String(await target.get('a'))).toBe('before');
  });

  it('leaves complete objects only when the connection is lost', async () => {
    const target = open('lost');
    for (let round = 1; round <= 4; round += 1) {
      const writing = Promise.allSettled(
        [0, 1, 2, 3].map((index) => target.put(`o${index}`, contentOf(round))),
      );
      await until(() => isWriting(join(server.directory, 'lost')), { what: 'a file that is being written' });
      await server.stop();
      await writing;
      await server.start();
      for (const { key } of await listAll(target, '')) {
        const seen = await target.get(key);
        expect(seen?.equals(contentOf(seen[0] ?? 0))).toBe(true);
      }
    }
  });

  it('follows no link below its directory, and reads no FIFO and no huge file', async () => {
    const target = open('links');
    const [directory, other] = [join(server.directory, 'links'), await scratch()];
    await writeFile(join(other, 'file'), 'kept');
    await target.put('a/b', Buffer.of(1));
    await symlink(other, join(directory, 'chunks'));
    for (const call of [
      () => target.get('chunks/file'),
      () => target.has('chunks/file'),
      () => listAll(target, 'chunks/'),
      () => target.put('chunks/a/b/c', Buffer.of(1)),
      () => target.delete('chunks/file'),
    ]) {
      expect(await problemOfCall(call())).toMatchObject({ reason: 'refused' });
    }
    expect(await readdir(other)).toEqual(['file']);
    await execa('mkfifo', [join(directory, 'fifo')]);
    await symlink(join(other, 'file'), join(directory, 'link'));
    await writeFile(join(directory, 'huge'), '');
    await truncate(join(directory, 'huge'), 9 * 1024 * 1024);
    for (const key of ['fifo', 'link', 'huge'])
      await expect(target.get(key), key).rejects.toThrow(DamagedObject);
    expect((await listAll(target, '')).map(({ key }) => key).toSorted()).toEqual(['a/b', 'huge']);
  });

  it('stores an object again when the connection is lost while it writes', async () => {
    const target = open('again');
    await target.put('first', Buffer.of(1));
    const writing = target.put('second', randomBytes(8_000_000));
    await until(() => isWriting(join(server.directory, 'again')), { what: 'a file that is being written' });
    await server.cutConnections();
    await writing;
    expect(await target.has('second')).toBe(true);
  });

  it('names a server that does not answer in time, and continues when it answers', async () => {
    const target = new SftpTarget({
      user: server.user,
      host: '127.0.0.1',
      port: server.port,
      directory: join(server.directory, 'slow'),
      keyFile: server.key,
      knownHosts: [server.knownHosts],
      connectTimeoutMs: 20_000,
      requestTimeoutMs: 1_000,
    });
    await target.put('a', Buffer.from('before'));
    await server.signal('SIGSTOP');
    expect(await problemOfCall(target.get('a'))).toMatchObject({ reason: 'slow' });
    await server.signal('SIGCONT');
    expect(String(await target.get('a'))).toBe('before');
  });

  it.skipIf(!mayMount)('names a disk that is full, and one that it may not write (needs root)', async () => {
    const full = join(server.directory, 'full');
    await mkdir(full);
    await mountTmpfs(full, 1);
    const target = open('full');
    await target.put('a', Buffer.alloc(1000));
    expect(await problemOfCall(target.put('b', randomBytes(2_000_000)))).toMatchObject({ reason: 'full' });
    expect(await readdir(full)).toEqual(['a']);
    await execa('mount', ['-o', 'remount,ro', full]);
    expect(await problemOfCall(target.put('b', Buffer.of(1)))).toMatchObject({ reason: 'refused' });
  });
});

function urlOf({ user, port, directory, key, knownHosts }: SftpServer, place: string, options = {}): string {
  const query = new URLSearchParams({ key, 'known-hosts': knownHosts, ...options });
  return `sftp://${user}@127.0.0.1:${port}${directory}/${place}?${query.toString()}`;
}

const contentOf = (round: number) => Buffer.alloc(3_000_000, round);

async function isWriting(directory: string): Promise<boolean> {
  const names = await readdir(directory).catch(() => []);
  return names.some((name) => name.startsWith('.put-'));
}

async function problemOfCall(call: Promise<unknown>): Promise<TargetProblem> {
  const error = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (error instanceof TargetProblem) return error;
  throw new Error('the call did not end with a problem', { cause: error });
}

async function listen(server: Server): Promise<{ url: string } & AsyncDisposable> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
