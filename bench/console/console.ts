import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processStat } from '../../daemon/pocketbase/process/procfs.ts';
import { median, ms, quantile, report, residentBytes } from '../measure.ts';
import type { FeedRequest } from './console-feed.ts';
import { PseudoTerminal } from './pseudo-terminal.ts';

const INSTANCES = 1000;
const STARTS = 10;
const SIZES = [10, 10_000] as const;
const SIZE_ROUNDS = 6;
const SIZE_PRESSES = 50;
const PRESSES = 300;
const BURST_PER_SECOND = 5000;
const BURST_MS = 10_000;
const IDLE_MS = 20_000;
const CONSOLE = join(import.meta.dirname, '../../bin/fathom-tui');
const BARE_INK = join(import.meta.dirname, 'bare-ink.ts');

/** What the built console costs, on a thousand instances, in a pseudo-terminal of 160×50. */
export async function benchConsole(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'fathom-bench-'));
  const socket = join(folder, 'stub.sock');
  const feed = fork(join(import.meta.dirname, 'console-feed.ts'), [socket, String(INSTANCES)]);
  try {
    await once(feed, 'message');
    const env = { XDG_CACHE_HOME: join(folder, 'cache'), XDG_CONFIG_HOME: join(folder, 'config') };
    const start = await benchStart(socket, env);
    const terminal = new PseudoTerminal([CONSOLE, '--socket', socket], env);
    await terminal.draws('● live');
    const idle = await benchIdleConsole(terminal, feed);
    terminal.press('2');
    await terminal.draws(`1/${INSTANCES + 1}`);
    const keys = await benchKeys(terminal);
    const burst = await benchBurst(terminal, feed);
    await terminal.quit();
    return [start, idle, keys, burst].every(Boolean);
  } finally {
    feed.disconnect();
    await once(feed, 'exit');
    await rm(folder, { recursive: true, force: true });
  }
}

/** Start to first frame with data, beside a bare Node and a bare Ink on the same machine in the same minute. */
async function benchStart(socket: string, env: Record<string, string>): Promise<boolean> {
  const ours: number[] = [];
  const ink: number[] = [];
  const node: number[] = [];
  const cpu: number[] = [];
  const timed = async (command: readonly string[], text: string, quits: boolean) => {
    const terminal = new PseudoTerminal(command, env);
    const drawn = await terminal.draws(text);
    if (quits) cpu.push(cpuSeconds(await terminal.pid()) * 1000);
    if (quits) await terminal.quit();
    else await terminal.ended();
    return drawn - terminal.startedAt;
  };
  for (let round = 0; round <= STARTS; round += 1) {
    const one = await timed([CONSOLE, '--socket', socket], `${INSTANCES} databases`, true);
    const inkOne = await timed(
      [process.execPath, '--disable-warning=ExperimentalWarning', BARE_INK],
      'ready',
      false,
    );
    const nodeOne = await timed([process.execPath, '-e', "console.log('ready')"], 'ready', false);
    // The first one fills the cache of compiled code.
    if (round === 0) continue;
    ours.push(one);
    ink.push(inkOne);
    node.push(nodeOne);
  }
  const above = ours.filter((value) => value > 450).length;
  return report({
    name: 'console start',
    compares: 'from the launcher to the first frame with data, 1,000 instances',
    value: median(ours),
    bar: 450,
    unit: ' ms',
    details:
      `median of ${STARTS}, from ${ms(Math.min(...ours))} to ${ms(Math.max(...ours))}, ${above} above the bar; ` +
      `${ms(median(cpu))} of CPU time; in the same minute: bare Ink ${ms(median(ink))}, bare Node ${ms(median(node))}`,
  });
}

async function benchIdleConsole(terminal: PseudoTerminal, feed: ChildProcess): Promise<boolean> {
  const pid = await terminal.pid();
  await pause(5_000);
  const [before, sentBefore] = [cpuSeconds(pid), await ask(feed, {})];
  await pause(IDLE_MS);
  const used = cpuSeconds(pid) - before;
  const sent = (await ask(feed, {})) - sentBefore;
  return report({
    name: 'console idle',
    compares: `CPU of one core over ${IDLE_MS / 1000} s on the overview, with what a daemon of 1,000 instances sends at rest`,
    value: (used / (IDLE_MS / 1000)) * 100,
    bar: 2,
    unit: ' %',
    details: `${used.toFixed(2)} s of CPU time, ${(sent / (IDLE_MS / 1000)).toFixed(0)} events a second`,
  });
}

async function benchKeys(terminal: PseudoTerminal): Promise<boolean> {
  const pid = await terminal.pid();
  const before = cpuSeconds(pid);
  const times = await pressThrough(terminal, () => PRESSES);
  const each = ((cpuSeconds(pid) - before) / PRESSES) * 1000;
  const typical = report({
    name: 'console key press, median',
    compares: 'from the key to the repainted row, 160×50',
    value: median(times),
    bar: 16,
    unit: ' ms',
    details: `${times.length} presses, ${ms(each)} of CPU time each`,
  });
  const worst = report({
    name: 'console key press, p99',
    compares: 'the same',
    value: quantile(times, 0.99),
    bar: 33,
    unit: ' ms',
    details: `worst ${ms(Math.max(...times))}`,
  });
  return typical && worst;
}

async function benchBurst(terminal: PseudoTerminal, feed: ChildProcess): Promise<boolean> {
  const pid = await terminal.pid();
  const memory: number[] = [];
  const sampler = setInterval(() => void residentBytes(pid).then((bytes) => memory.push(bytes)), 500);
  const before = await ask(feed, { perSecond: BURST_PER_SECOND });
  const from = performance.now();
  const times = await pressThrough(terminal, (done) =>
    performance.now() - from < BURST_MS ? done + 1 : done,
  );
  const sent = (await ask(feed, { add: 'the-last-of-the-burst' })) - before;
  const arrived = await terminal.draws(`${INSTANCES + 2} instances`);
  clearInterval(sampler);
  const rate = (sent / (arrived - from)) * 1000;
  const whole = report({
    name: 'console burst, as asked for',
    compares: `${BURST_PER_SECOND} events a second over those that came in, until the last of them was on the screen`,
    value: BURST_PER_SECOND / rate,
    bar: 1.05,
    unit: '×',
    details: `${sent} events within ${ms(arrived - from)}: ${rate.toFixed(0)} a second`,
  });
  const responsive = report({
    name: 'console key press in a burst, p99',
    compares: `from the key to the repainted row while ${BURST_PER_SECOND} events a second come in for 10 s`,
    value: quantile(times, 0.99),
    bar: 50,
    unit: ' ms',
    details: `${times.length} presses, median ${ms(median(times))}, worst ${ms(Math.max(...times))}`,
  });
  // The first two seconds are the heap's growth to its working size.
  const settled = memory.slice(4);
  const half = settled.length >> 1;
  const flat = report({
    name: 'console memory in a burst',
    compares: 'resident memory in the second half of the burst over that in the first, after two seconds',
    value: median(settled.slice(half)) / median(settled.slice(0, half)),
    bar: 1.1,
    unit: '×',
    details: memory.map((bytes) => (bytes / 1e6).toFixed(0)).join(' ') + ' MB, twice a second',
  });
  return whole && responsive && flat;
}

/** How many events the feed has sent, once it has done what it was asked for. */
async function ask(feed: ChildProcess, request: FeedRequest): Promise<number> {
  const answer = once(feed, 'message');
  feed.send(request);
  const [sent] = (await answer) as [number];
  return sent;
}

function cpuSeconds(pid: number): number {
  const stat = processStat(pid);
  if (stat === null) throw new Error('the console has ended');
  return stat.cpuSeconds;
}

/** The same press in a small and in a large fleet, in turns. */
export async function benchConsoleSize(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'fathom-bench-'));
  const env = { XDG_CACHE_HOME: join(folder, 'cache'), XDG_CONFIG_HOME: join(folder, 'config') };
  const opened: { instances: number; feed: ChildProcess; terminal: PseudoTerminal; times: number[] }[] = [];
  try {
    for (const instances of SIZES) {
      const socket = join(folder, `${instances}.sock`);
      const feed = fork(join(import.meta.dirname, 'console-feed.ts'), [socket, String(instances)]);
      await once(feed, 'message');
      const terminal = new PseudoTerminal([CONSOLE, '--socket', socket], env);
      opened.push({ instances, feed, terminal, times: [] });
      await terminal.draws('● live');
      terminal.press('2');
      await terminal.draws(`1/${instances + 1}`);
    }
    for (let round = 0; round < SIZE_ROUNDS; round += 1)
      for (const { instances, terminal, times } of opened)
        times.push(...(await pressThrough(terminal, () => SIZE_PRESSES, instances)));
    const [small, large] = opened.map(({ times }) => times) as [number[], number[]];
    for (const { terminal } of opened) await terminal.quit();
    return report({
      name: 'console key press, large fleet',
      compares: `from the key to the repainted row with ${SIZES[1]} instances over that with ${SIZES[0]}`,
      value: median(large) / median(small),
      bar: 1.5,
      unit: '×',
      details: `medians of ${small.length}: ${ms(median(large))} and ${ms(median(small))}, p99 ${ms(quantile(large, 0.99))} and ${ms(quantile(small, 0.99))}`,
    });
  } finally {
    for (const { feed } of opened) {
      feed.disconnect();
      await once(feed, 'exit');
    }
    await rm(folder, { recursive: true, force: true });
  }
}

/** Down the list, then up again, one press after the other; `wanted` says how many are to be made. */
async function pressThrough(
  terminal: PseudoTerminal,
  wanted: (done: number) => number,
  instances = INSTANCES,
): Promise<number[]> {
  const times: number[] = [];
  let row = 1;
  let step = 1;
  while (times.length < wanted(times.length)) {
    if (row + step > instances || row + step < 1) step = -step;
    row += step;
    const at = terminal.press(step > 0 ? 'j' : 'k');
    // Only what changed is drawn, and that is at least the last digit.
    times.push((await terminal.draws(`${row % 10}/${instances + 1}`)) - at);
  }
  // Back to where it began.
  terminal.press('g');
  if (row !== 1) await terminal.draws(`1/${instances + 1}`);
  return times;
}

/** The benchmark measures a span of time, so here a pause is the measurement. */
function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
