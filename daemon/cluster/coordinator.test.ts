import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type TestedStore, testCoordinator } from '../../test/helpers/coordinator-conformance.ts';
import { hasEtcd, startEtcd } from '../../test/helpers/etcd.ts';
import { etcdCoordinator, NO_TLS } from '../../test/helpers/etcd-coordinator.ts';
import { MemoryCoordinator, MemoryStore } from '../../test/helpers/memory-coordinator.ts';
import { scratch } from '../../test/helpers/scratch.ts';
import { until } from '../../test/helpers/until.ts';
import { systemClock } from '../base/time/clock.ts';
import { EtcdGateway } from './etcd/gateway.ts';

describe('in memory', () => {
  testCoordinator(async () => {
    const store = new MemoryStore(systemClock);
    let isCut = false;
    const connections: MemoryCoordinator[] = [];
    return {
      connect: () => {
        const connection = new MemoryCoordinator(store, () => (isCut ? 'before' : null));
        connections.push(connection);
        return connection;
      },
      direct: () => new MemoryCoordinator(store),
      whileCutOff: async (work) => {
        isCut = true;
        await work();
        isCut = false;
        for (const connection of connections) connection.deliver();
      },
    };
  });
});

describe.skipIf(!hasEtcd('the tests of etcd'))('in etcd', () => {
  testCoordinator(async (): Promise<TestedStore> => {
    const etcd = await startEtcd();
    const proxy = await startProxy(etcd.port);
    return {
      connect: () => etcdCoordinator({ endpoints: [proxy.url] }),
      direct: () => etcdCoordinator({ endpoints: [etcd.url] }),
      whileCutOff: async (work) => {
        proxy.cut();
        await work();
        const gateway = new EtcdGateway({ endpoints: [etcd.url], tls: NO_TLS, credentials: null });
        const { text } = await gateway.callAt(etcd.url, '/v3/maintenance/status', {});
        const { revision } = (JSON.parse(text) as { header: { revision: string } }).header;
        await gateway.callAt(etcd.url, '/v3/kv/compaction', { revision, physical: true });
        gateway.close();
        proxy.join();
      },
    };
  });

  it('ends a session that is not renewed', async () => {
    const { url } = await startEtcd();
    const store = etcdCoordinator({ endpoints: [url] });
    const session = await store.openSession(2);
    await store.commit({ expect: [], put: [{ key: 'nodes/a', value: '', session }] });
    await until(async () => (await store.get('nodes/a')) === null, { what: 'the end of the session' });
    expect(await store.renewSession(session)).toBe(false);
  });

  it('reads more entries than fit in one answer', async () => {
    const { url } = await startEtcd();
    const store = etcdCoordinator({ endpoints: [url] });
    const keys = Array.from({ length: 5_050 }, (_, n) => `m/${String(n).padStart(5, '0')}`);
    for (let n = 0; n < keys.length; n += 50)
      await store.commit({ expect: [], put: keys.slice(n, n + 50).map((key) => ({ key, value: '' })) });
    expect((await store.list('m/')).map(({ key }) => key)).toEqual(keys);
  });

  it('separates clusters', async () => {
    const { url } = await startEtcd();
    await etcdCoordinator({ endpoints: [url] }, 'one').commit({
      expect: [],
      put: [{ key: 'k/a', value: '1' }],
    });
    expect(await etcdCoordinator({ endpoints: [url] }, 'one.b').list('k/')).toEqual([]);
    expect(await etcdCoordinator({ endpoints: [url] }, 'one').list('k/')).toHaveLength(1);
  });

  it('uses another server when one does not answer', async () => {
    const etcd = await startEtcd();
    const closed = await startProxy(etcd.port);
    closed.cut();
    const store = etcdCoordinator({ endpoints: [closed.url, etcd.url] });
    expect(await store.get('k')).toBeNull();
  });

  it('asks another server before it gives up one that is silent', async () => {
    const etcd = await startEtcd();
    const proxy = await startProxy(etcd.port);
    proxy.hang();
    const store = etcdCoordinator({ endpoints: [proxy.url, etcd.url] });
    const session = await etcdCoordinator({ endpoints: [etcd.url] }).openSession(60);
    expect(await store.renewSession(session)).toBe(true);
    expect(proxy.waiting()).toBe(1);
  });

  it('watches another server when one hangs', async () => {
    const etcd = await startEtcd();
    const proxy = await startProxy(etcd.port);
    const store = etcdCoordinator({ endpoints: [proxy.url, etcd.url] });
    let seen = '';
    const end = new AbortController();
    const watching = store.watch('w/', (view) => (seen = view.get('w/a')?.value ?? 'none'), end.signal);
    const other = etcdCoordinator({ endpoints: [etcd.url] });
    const write = (value: string) => other.commit({ expect: [], put: [{ key: 'w/a', value }] });
    await until(() => seen === 'none', { what: 'the first view' });
    await write('1');
    await until(() => seen === '1', { what: 'a change by the stream' });
    proxy.hang();
    await write('2');
    await until(() => seen === '2', { timeoutMs: 40_000, what: 'a change by another server' });
    end.abort();
    await watching;
  });

  it('does not repeat changes when it watches another server', async () => {
    const etcd = await startEtcd();
    const proxy = await startProxy(etcd.port);
    const store = etcdCoordinator({ endpoints: [proxy.url, etcd.url] });
    const seen: string[] = [];
    const end = new AbortController();
    const watching = store.watch('w/', (_view, changed) => seen.push([...changed].join()), end.signal);
    const other = etcdCoordinator({ endpoints: [etcd.url] });
    await until(() => seen.length > 0, { what: 'the first view' });
    for (const key of ['w/a', 'w/b']) {
      await other.commit({ expect: [], put: [{ key, value: '1' }] });
      await until(() => seen.at(-1) === key, { what: 'a change by the stream' });
    }
    proxy.cut();
    await other.commit({ expect: [], put: [{ key: 'w/c', value: '1' }] });
    await until(() => seen.length > 3, { timeoutMs: 40_000, what: 'a change by another server' });
    expect(seen).toEqual(['', 'w/a', 'w/b', 'w/c']);
    end.abort();
    await watching;
  });

  it('reports servers that do not answer, and answers again when they do', async () => {
    const etcd = await startEtcd();
    const store = etcdCoordinator({ endpoints: [etcd.url] });
    await store.commit({ expect: [], put: [{ key: 'k', value: '1' }] });
    await etcd.stop();
    await expect(store.get('k')).rejects.toMatchObject({ code: 'cluster.unavailable' });
    await etcd.start();
    expect((await store.get('k'))?.value).toBe('1');
  });

  it('signs in with a password, again after a restart of etcd', async () => {
    const etcd = await startEtcd();
    const etcdctl = (...words: string[]) =>
      execa('etcdctl', ['--endpoints', etcd.url, ...words], { env: { ETCDCTL_API: '3' } });
    await etcdctl('user', 'add', 'root:secret');
    await etcdctl('user', 'add', 'fathom:pass word');
    await etcdctl('role', 'add', 'fathom');
    await etcdctl('role', 'grant-permission', '--prefix=true', 'fathom', 'readwrite', '/fathom/');
    await etcdctl('user', 'grant-role', 'fathom', 'fathom');
    await etcdctl('auth', 'enable');
    const refused = { code: 'cluster.unavailable' };
    const endpoints = [etcd.url];
    await expect(etcdCoordinator({ endpoints }).get('k')).rejects.toMatchObject(refused);
    await expect(
      etcdCoordinator({ endpoints, credentials: { user: 'fathom', password: 'other' } }).get('k'),
    ).rejects.toMatchObject(refused);
    const store = etcdCoordinator({ endpoints, credentials: { user: 'fathom', password: 'pass word' } });
    const session = await store.openSession(60);
    expect(await store.commit({ expect: [], put: [{ key: 'k', value: '1', session }] })).toBe(true);
    expect(await store.renewSession(session)).toBe(true);
    let seen = '';
    const end = new AbortController();
    const watching = store.watch('w/', (view) => (seen = view.get('w/a')?.value ?? ''), end.signal);
    await etcd.stop();
    await etcd.start();
    expect((await store.get('k'))?.value).toBe('1');
    await store.commit({ expect: [], put: [{ key: 'w/a', value: '2' }] });
    await until(() => seen === '2', { what: 'the watch after the restart' });
    end.abort();
    await watching;
  });

  it('uses TLS, with a certificate of the client', async () => {
    const files = await certificates();
    const etcd = await startEtcd({
      scheme: 'https',
      flags: [
        `--cert-file=${files.cert}`,
        `--key-file=${files.key}`,
        '--client-cert-auth',
        `--trusted-ca-file=${files.ca}`,
      ],
    });
    const [ca, cert, key] = await Promise.all(
      [files.ca, files.cert, files.key].map((path) => readFile(path, 'utf8')),
    );
    const endpoints = [etcd.url];
    const refused = { code: 'cluster.unavailable' };
    await expect(etcdCoordinator({ endpoints }).get('k')).rejects.toMatchObject(refused);
    await expect(
      etcdCoordinator({ endpoints, tls: { ...NO_TLS, ca: ca ?? null } }).get('k'),
    ).rejects.toMatchObject(refused);
    const store = etcdCoordinator({
      endpoints,
      tls: { ca: ca ?? null, cert: cert ?? null, key: key ?? null },
    });
    expect(await store.commit({ expect: [], put: [{ key: 'k', value: '1' }] })).toBe(true);
  });
});

/** Forwards connections, until it is cut or hangs. */
async function startProxy(port: number) {
  const sockets = new Set<Socket>();
  const waiting = new Set<Socket>();
  let isCut = false;
  let isHung = false;
  const server = createServer((client) => {
    if (isCut) {
      client.destroy();
      return;
    }
    if (isHung) {
      waiting.add(client);
      client.on('close', () => waiting.delete(client));
      client.resume();
      return;
    }
    const upstream = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const end = () => {
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(() => {
    end();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    cut: () => {
      isCut = true;
      end();
    },
    /** Connections stay open, and nothing is forwarded any more. */
    hang: () => {
      isHung = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
    join: () => {
      isCut = false;
    },
    /** Connections that were opened while it hangs. */
    waiting: () => waiting.size,
  };
}

/** An authority, and one certificate of it for server and client. */
async function certificates() {
  const directory = await scratch();
  const file = (name: string) => join(directory, name);
  const files = { ca: file('ca.crt'), cert: file('one.crt'), key: file('one.key') };
  const openssl = (words: string) => execa('openssl', words.split(' '), { cwd: directory });
  const key = '-nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256';
  await openssl(`req -x509 -days 2 -subj /CN=ca ${key} -keyout ca.key -out ca.crt`);
  await openssl(`req -subj /CN=one ${key} -keyout one.key -out one.csr`);
  await writeFile(
    file('extensions'),
    'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n',
  );
  await openssl(
    'x509 -req -days 2 -in one.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile extensions -out one.crt',
  );
  return files;
}
