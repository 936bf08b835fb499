/**
 * A stub of the daemon with a thousand instances, in a process of its own. At rest it sends what a real daemon does with
 * as many: itself once a second, of the instances a hundred usages and thirty-three probes (`daemon/supervisor/health/monitor.ts`,
 * PB_HEALTH_INTERVAL). Every `FeedRequest` over IPC is answered with how many events have been sent so far.
 */
import { daemonUsage, fleetOf, globalInstance, instance, usage } from '../../test/console/fleet-fixtures.ts';
import { StubDaemon } from '../../test/console/stub-daemon.ts';

export interface FeedRequest {
  /** Events a second from now on; the rate at rest without it. */
  perSecond?: number;
  /** An instance that is added after all that has been sent: once it is seen, everything before it has arrived. */
  add?: string;
}

const TICKS_PER_SECOND = 20;
const REST = 133;

const [path = '', count = '1000'] = process.argv.slice(2);
const stub = await new StubDaemon([globalInstance(), ...fleetOf(Number(count))]).listen({ path });
const names = [...stub.instances.keys()];
let perSecond = REST;
let sent = 0;
let next = 0;
process.on('message', ({ perSecond: wanted, add }: FeedRequest) => {
  publishOwed();
  perSecond = wanted ?? REST;
  if (add !== undefined) stub.publish({ kind: 'instance.added', instance: instance(add) });
  process.send?.(sent);
});
process.on('disconnect', () => process.exit(0));

let tick = 0;
let owed = 0;
let last = performance.now();
setInterval(() => {
  tick += 1;
  publishOwed();
  if (tick % TICKS_PER_SECOND !== 0) return;
  sent += 1;
  stub.publish({ kind: 'daemon.usage', usage: daemonUsage({ cpu_percent: (tick / TICKS_PER_SECOND) % 7 }) });
}, 1000 / TICKS_PER_SECOND);

/** By the clock, as a timer on a busy machine comes late. */
function publishOwed(): void {
  const now = performance.now();
  owed += ((now - last) / 1000) * perSecond;
  last = now;
  for (; owed >= 1; owed -= 1) publishOne();
}

/** Three usages, then a probe; in a burst also now and then a phase, which moves rows. */
function publishOne(): void {
  sent += 1;
  next = (next + 1) % names.length;
  const name = names[next] ?? '';
  const at = new Date().toISOString();
  if (perSecond > REST && sent % 50 === 0) {
    const phase = stub.instances.get(name)?.phase === 'running' ? 'unresponsive' : 'running';
    stub.enter(name, phase);
  } else if (sent % 4 === 0) {
    stub.publish({
      kind: 'instance.probe',
      name,
      probe: { at, ok: true, latency_ms: 1 + (sent % 7), error: null },
    });
  } else {
    stub.publish({
      kind: 'instance.usage',
      name,
      usage: usage((6 + (sent % 40) / 10) * 1024 ** 2, (sent % 30) / 10),
    });
  }
}
process.send?.(sent);
