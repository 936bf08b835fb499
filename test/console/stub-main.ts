/**
 * A fleet to look at while working on the console, without a daemon:
 *
 *     node test/console/stub-main.ts /tmp/stub.sock 40
 *     FATHOM_SOCKET=/tmp/stub.sock bin/fathom-tui
 */
import { rmSync } from 'node:fs';
import type { Instance } from '../../shared/api/instances.ts';
import {
  ago,
  backingOff,
  daemonUsage,
  failed,
  fleetOf,
  globalInstance,
  instance,
  usage,
} from './fleet-fixtures.ts';
import { StubDaemon } from './stub-daemon.ts';

const [path = '/tmp/fathom-stub.sock', count = '40'] = process.argv.slice(2);

const odd: Instance[] = [
  globalInstance(),
  backingOff('2026-11-21-901-portowner'),
  failed('2026-11-21-902-hookwriter'),
  instance('2026-11-21-903-slowpoke', {
    phase: 'unresponsive',
    since: ago(45),
    probe: { at: ago(5), ok: false, latency_ms: 5000, error: 'no answer within 5 s' },
  }),
  instance('2026-11-21-904-phoenix', {
    restarts: 1,
    started_at: ago(20),
    last_exit: { code: null, signal: 'SIGKILL', at: ago(21), uptime_s: 3600, ended_by: null },
  }),
  instance('2026-11-21-905-resting', {
    phase: 'stopped',
    desired: 'stopped',
    pid: null,
    started_at: null,
    usage: null,
    probe: null,
  }),
  instance('2026-11-21-906-wide', { email: '山田太郎🚀@例え.jp' }),
];

const stub = new StubDaemon([...odd, ...fleetOf(Number(count))]);
stub.onAction = async (verb, name) => {
  if (name.endsWith('hookwriter')) return 'hook main.pb.js is broken; correct it and force a restart';
  stub.enter(name, verb === 'start' ? 'starting' : 'stopping');
  await new Promise((resolve) => setTimeout(resolve, 700));
  if (verb === 'stop') stub.enter(name, 'stopped', { desired: 'stopped', pid: null, started_at: null });
  else
    stub.enter(name, 'running', {
      desired: 'running',
      pid: 20_000 + Math.floor(Math.random() * 1000),
      started_at: ago(0),
    });
  return null;
};
rmSync(path, { force: true });
await stub.listen({ path });
console.log(`listening on ${path} with ${stub.instances.size} instances`);

let beat = 0;
setInterval(() => {
  beat += 1;
  for (const { name, pid } of stub.instances.values()) {
    if (pid === null) continue;
    const cpu = Math.abs(Math.sin((beat + name.length) / 9)) * 2 * Math.random();
    stub.publish({ kind: 'instance.usage', name, usage: usage((6 + Math.random() * 4) * 1024 ** 2, cpu) });
    stub.publish({
      kind: 'instance.probe',
      name,
      probe: name.endsWith('slowpoke')
        ? { at: ago(0), ok: false, latency_ms: 5000, error: 'no answer within 5 s' }
        : { at: ago(0), ok: true, latency_ms: 0.6 + Math.random() * 3, error: null },
    });
    stub.log(
      name,
      `${new Date().toISOString()} GET /api/health 200 ${(Math.random() * 9).toFixed(2)}ms beat ${beat} \u001B[31mred\u001B[0m 日本語 🚀`,
    );
  }
  const cpu_percent = 1 + Math.abs(Math.sin(beat / 7)) * 4;
  stub.publish({
    kind: 'daemon.usage',
    usage: daemonUsage({ cpu_percent, rss_bytes: (80 + (beat % 20)) * 1024 ** 2 }),
  });
}, 1000);

process.on('SIGTERM', () => process.exit(0));
