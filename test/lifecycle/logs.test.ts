import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../daemon/base/time/clock.ts';
import { InstanceLog } from '../../daemon/pocketbase/logs/instance-log.ts';
import type { LogTail } from '../../shared/api/databases.ts';
import { bareInstance } from '../helpers/bare-instance.ts';
import { SERVE } from '../helpers/deployment.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, signUp, writeAndRead } from '../helpers/fleet-actions.ts';
import { controlPlane } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { call, signIn } from '../helpers/http-call.ts';
import { readMetric } from '../helpers/metrics.ts';
import { StreamReader } from '../helpers/stream-reader.ts';
import { until } from '../helpers/until.ts';

const MIB = 1024 * 1024;
const LINES = 50_000;

const burstLine = (index: number) => `burst ${index} ${'x'.repeat(120)}`;
const burst = Array.from({ length: LINES }, (_, index) => burstLine(index));

it('a PocketBase that prints 50,000 lines while its log is rotated all the time loses none of them', async () => {
  const pocketbase = await bareInstance();
  const hooksDir = join(pocketbase.directory, 'hooks');
  await mkdir(hooksDir);
  await writeFile(
    join(hooksDir, 'burst.pb.js'),
    `routerAdd('GET', '/burst', (e) => {
      for (let i = 0; i < ${LINES}; i++) console.log('burst ' + i + ' ' + 'x'.repeat(120));
      return e.noContent(204);
    });`,
  );
  const process = await pocketbase.start({ hooksDir });
  await pocketbase.untilReady();
  // A part has 2 MiB, and the burst does not reach what may be kept.
  const log = new InstanceLog(pocketbase.log.path, systemClock, { maxBytes: 8 * MIB, retentionMs: 60_000 });
  // It prints its banner as well.
  const followed: string[] = [];
  const ended = new AbortController();
  const following = log.follow(
    await log.end(),
    ({ text }) => text.includes('burst ') && followed.push(text),
    ended.signal,
  );
  onTestFinished(async () => {
    ended.abort();
    await following;
  });
  const over = new AbortController();
  const answer = fetch(`http://127.0.0.1:${pocketbase.command.port}/burst`).finally(() => over.abort());
  while (!over.signal.aborted) await log.tidy();
  expect((await answer).status).toBe(204);
  await until(() => followed.length >= LINES, { what: () => `all lines, got ${followed.length}` });
  const texts = followed.map((line) => line.slice(line.indexOf('burst ')));
  expect(texts.findIndex((text, index) => text !== burst[index])).toBe(-1);
  expect(texts).toHaveLength(LINES);

  const parts = await readdir(pocketbase.log.path.replace(/\.log$/, '.old'));
  expect(parts.length).toBeGreaterThan(0);
  await log.tidy();
  expect((await stat(log.path)).blocks * 512).toBeLessThan(2.5 * MIB);
  process.signal('SIGTERM');
  await process.exited;
});

it('`fathomd logs --follow` shows every line once, over rotations, a daemon that is killed and the next one', async () => {
  const fathom = await deployment({ LOG_MAX_MB: '16' });
  const daemon = await fathom.start();
  const tenant = await signUp(fathom);
  const path = join(fathom.dataDir, 'logs', 'instances', `${tenant.name}.log`);
  const follower = fathomd(['logs', tenant.name, '--follow', '--tail', '0'], {
    cwd: fathom.dataDir,
    env: fathom.env,
  });
  onTestFinished(async () => {
    follower.kill('SIGTERM');
    await follower;
  });
  let output = '';
  follower.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  // Appends to the file that PocketBase appends to, line by line, whether a daemon runs or not.
  const script = `const fs = require('node:fs'); const fd = fs.openSync(process.argv[1], 'a');
    process.stdin.on('data', (go) => { for (const [from, to] of String(go).trim().split('\\n').map((line) => line.split(' ').map(Number)))
      for (let i = from; i < to; i++) fs.writeSync(fd, 'burst ' + i + ' ' + 'x'.repeat(120) + '\\n'); });`;
  const writer = spawn(process.execPath, ['-e', script, path], { stdio: ['pipe', 'ignore', 'inherit'] });
  onTestFinished(() => {
    writer.kill('SIGKILL');
  });
  const shown = () => output.split('\n').filter((line) => line.startsWith('burst '));
  // It follows from now on, once it shows a line.
  writer.stdin.write('0 1\n');
  await until(() => shown().length === 1, { what: 'the first line' });

  writer.stdin.write(`1 ${LINES / 2}\n`);
  await until(() => shown().length > 100, { what: 'the burst to be under way' });
  daemon.signal('SIGKILL');
  await daemon.exited;
  writer.stdin.write(`${LINES / 2} ${(LINES / 4) * 3}\n`);
  await until(async () => (await stat(path)).size > 4.2 * MIB, { what: 'more than a part' });
  const next = await fathom.start();
  await until(() => shown().length >= (LINES / 4) * 3, { what: () => `${shown().length} lines` });
  // 4 MiB make a part.
  await until(async () => (await stat(path)).blocks * 512 < 3 * MIB, { what: 'a rotation' });
  writer.stdin.end(`${(LINES / 4) * 3} ${LINES}`);
  await once(writer, 'exit');
  await until(() => shown().length >= LINES, { what: () => `${shown().length} of ${LINES} lines` });
  expect(shown().findIndex((line, index) => line !== burst[index])).toBe(-1);
  expect(shown()).toHaveLength(LINES);

  // What is shown of the end begins in a part, and a restart of the instance goes on with a fresh file.
  const { stdout } = await fathomd(['databases', 'logs', tenant.name, '--tail', '300'], {
    cwd: fathom.dataDir,
    env: fathom.env,
  });
  expect(stdout.split('\n').filter((line) => line.startsWith('burst '))).toEqual(burst.slice(-300));
  await fathom.client.databases.restart(tenant.name);
  await until(() => /Server started/.test(output.slice(output.lastIndexOf('burst '))), {
    what: 'the line of the next run',
  });
  expect((await stat(path)).size).toBeLessThan(MIB);
  expect(await next.stop()).toBe(0);
});

it('a daemon whose output, log file and logs of instances cannot be written starts, serves, counts what is lost, and stops', async () => {
  const fathom = await deployment({ LOG_DIR: 'blocked/logs' });
  const blocker = join(fathom.dataDir, 'blocked');
  await writeFile(blocker, '');
  const nowhere = ['sh', '-c', 'exec "$@" >/dev/full 2>/dev/full', 'sh', ...SERVE] as const;
  const daemon = await fathom.start({}, nowhere);
  const tenant = await signUp(fathom);
  await writeAndRead(fathom, tenant, 'without a log');
  await fathom.client.databases.restart(tenant.name);

  const { log } = await fathom.client.daemon.status();
  expect(log).toEqual({
    dropped: expect.any(Number),
    problem: expect.stringContaining('ENOSPC'),
  });
  expect(log.dropped).toBeGreaterThan(1);
  expect(Number(await readMetric(fathom, 'fathom_log_dropped_lines_total'))).toBeGreaterThanOrEqual(
    log.dropped,
  );
  const findings = await doctorFindings(fathom);
  expect(findings.find(({ id }) => id === 'daemon_log')).toMatchObject({ level: 'warning' });

  await rm(blocker);
  await fathom.client.databases.restart(tenant.name);
  await writeAndRead(fathom, tenant, 'with a log');
  expect((await fathom.client.databases.logs(tenant.name)).lines.length).toBeGreaterThan(0);
  const path = join(blocker, 'logs', 'fathomd.log');
  const logAndRead = async () => {
    // Provisioning is logged. The daemon tries to open its log again only once a second, when it has a line.
    await signUp(fathom);
    return readFile(path, 'utf8').catch(() => '');
  };
  const text = await until(logAndRead, { what: 'the log of the daemon' });
  const [first] = text.split('\n');
  expect(JSON.parse(first ?? '')).toMatchObject({ level: 40, dropped: expect.any(Number) });
  expect(await daemon.stop()).toBe(0);
});

const failed = (some: { text: string }[]) => some.filter(({ text }) => /^ERROR GET .* 400 /.test(text));
const good = (some: { text: string }[]) => some.some(({ text }) => /^INFO GET .* 200/.test(text));

it("PocketBase's own log of requests and mails is in the logs of an instance, without secrets, for administrators", async () => {
  const fathom = await deployment();
  await fathom.start();
  const tenant = await signUp(fathom);
  const { url } = await instance(fathom, tenant.name);
  const stream = new StreamReader(fathom);
  await stream.subscribe(1, `logs:${tenant.name}`);
  const secret = 'a-very-secret-value';
  const headers = { authorization: tenant.ownerToken };
  const path = `/api/collections/documents/records?filter=nope='${secret}'&token=${secret}`;
  expect((await fetch(`${url}${path}`, { headers })).status).toBe(400);
  // A mail that cannot be sent.
  const plane = await controlPlane(fathom);
  const smtp = { enabled: true, host: '127.0.0.1', port: 1, username: 'u', password: secret };
  await plane.settings.update({ smtp });
  await plane.collection('users').requestPasswordReset(tenant.email);

  const lines = (source: 'all' | 'output' | 'requests', name = tenant.name) =>
    fathom.client.databases.logs(name, { source }).then((tail) => tail.lines);
  // PocketBase writes it every few seconds.
  await until(async () => failed(await lines('requests')).length > 0, { what: 'the request in the log' });
  const [entry] = failed(await lines('all'));
  expect(entry).toMatchObject({ source: 'requests' });
  expect(entry?.text).toContain("/api/collections/documents/records?filter=nope='…'&token=…");
  expect(entry?.text).toContain('nope');
  expect(failed(await lines('output'))).toEqual([]);
  // Databases of users log nothing that went well.
  await until(async () => good(await lines('requests', 'global')), { what: 'a good request in the log' });
  expect(good(await lines('all', 'global'))).toBe(false);
  await until(
    async () =>
      (await lines('requests', 'global')).some(({ text }) => /mail/i.test(text) && /refused/.test(text)),
    {
      what: 'the failed mail in the log',
    },
  );
  const event = () =>
    stream
      .events(`logs:${tenant.name}`)
      .find((one) => one.kind === 'log.line' && one.line.source === 'requests');
  const received = await until(event, { what: 'the request in the stream' });
  expect(JSON.stringify(received)).toContain('400');
  const everything = [...(await lines('requests')), ...(await lines('requests', 'global')), received];
  expect(JSON.stringify(everything)).not.toContain(secret);

  const { stdout } = await fathomd(['logs', tenant.name, '--source', 'requests', '--level', 'error'], {
    cwd: fathom.dataDir,
    env: fathom.env,
  });
  expect(
    stdout
      .split('\n')
      .filter((line) => line !== '')
      .every((line) => line.startsWith('ERROR ')),
  ).toBe(true);
  expect(failed(stdout.split('\n').map((text) => ({ text })))).toHaveLength(1);
  // It is read beside PocketBase, also when that is stopped.
  await fathom.client.databases.stop(tenant.name);
  expect(failed(await lines('all'))).toHaveLength(1);

  const logs = `${fathom.url}/api/v1/databases/${tenant.name}/logs`;
  const { token } = await signIn(fathom.url, tenant.email);
  expect((await call('GET', `${logs}?source=requests`, { token })).status).toBe(403);
  const own = await call<LogTail>('GET', `${logs}?source=all`, { token });
  expect(own).toMatchObject({ status: 200 });
  expect(failed(own.body.lines)).toEqual([]);
});
