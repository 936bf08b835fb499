import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { goEnvironment } from '../../daemon/pocketbase/process/memory-settings.ts';
import { privateBytes, processStat } from '../../daemon/pocketbase/process/procfs.ts';
import { freePortRange } from '../../test/helpers/free-ports.ts';
import { BINARY, untilAnswers } from '../bare-pocketbase.ts';
import { median, ratePerSecond, report } from '../measure.ts';

const ROUNDS = 7;
const RECORDS = 2_000;
const MIB = 1024 * 1024;
const IDLE_AFTER_MS = 1_500;

const DEFAULTS = goEnvironment(
  { kind: 'user', memoryBytes: null },
  { memoryBytes: null, processors: null },
  totalmem(),
);
const VARIANTS = {
  default: DEFAULTS,
  'GOMAXPROCS=1': { ...DEFAULTS, GOMAXPROCS: '1' },
  'GOMAXPROCS=2': { ...DEFAULTS, GOMAXPROCS: '2' },
  'GOMAXPROCS=16': { ...DEFAULTS, GOMAXPROCS: '16' },
  'GOMEMLIMIT=64MiB': { ...DEFAULTS, GOMEMLIMIT: '64MiB' },
  'GOMEMLIMIT=32MiB': { ...DEFAULTS, GOMEMLIMIT: '32MiB' },
} as const satisfies Record<string, Record<string, string>>;

type Variant = keyof typeof VARIANTS;
const NAMES = Object.keys(VARIANTS) as Variant[];

const MIGRATION = `migrate((app) => app.save(new Collection({
  type: 'base', name: 'docs', listRule: '', createRule: '',
  fields: [{ type: 'text', name: 'title' }, { type: 'json', name: 'data' }],
})));`;
const RECORD = JSON.stringify({ title: 'a title', data: { text: 'x'.repeat(2_000) } });
const PATH = '/api/collections/docs/records';
/** Requests of one round. */
const WORK = {
  'read 1': { count: 300, clients: 1, method: 'GET', path: `${PATH}?perPage=20&skipTotal=1` },
  'read 8': { count: 800, clients: 8, method: 'GET', path: `${PATH}?perPage=20&skipTotal=1` },
  'write 1': { count: 200, clients: 1, method: 'POST', path: PATH },
  'write 8': { count: 400, clients: 8, method: 'POST', path: PATH },
  'burst 8': { count: 60, clients: 8, method: 'GET', path: `${PATH}?perPage=500` },
} as const;

type Sample = Record<string, number>;

/** What GOMAXPROCS and GOMEMLIMIT of a user database change in memory, processor time and requests per second. */
export async function benchGoRuntime(): Promise<boolean> {
  const scratch = await mkdtemp(join(tmpdir(), 'fathom-bench-'));
  const samples = new Map<Variant, Sample[]>(NAMES.map((name) => [name, []]));
  try {
    const port = await freePortRange(1);
    await fill(scratch, port);
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const name of NAMES) samples.get(name)?.push(await measure(scratch, port, VARIANTS[name]));
    }
  } finally {
    await rm(scratch, { recursive: true });
  }
  const of = (name: Variant, what: string) =>
    median((samples.get(name) ?? []).map((sample) => sample[what] ?? Number.NaN));
  const measured = Object.keys(samples.get('default')?.[0] ?? {});
  for (const name of NAMES) {
    console.log(
      `        ${name}: ${measured.map((what) => `${what} ${of(name, what).toFixed(2)}`).join(', ')}`,
    );
  }
  const details = `medians of ${ROUNDS} rounds, ${availableParallelism()} processors`;
  return [
    report({
      name: 'one processor',
      compares: 'reads per second of 8 clients with GOMAXPROCS=1 / by default',
      value: of('GOMAXPROCS=1', 'read 8 per s') / of('default', 'read 8 per s'),
      bar: 1.1,
      unit: '',
      details,
    }),
    report({
      name: 'memory of the default',
      compares: 'private memory after large lists, by default / with GOMAXPROCS=1',
      value: of('default', 'burst MiB') / of('GOMAXPROCS=1', 'burst MiB'),
      bar: 1.5,
      unit: '',
      details,
    }),
    report({
      name: 'processor time of the default',
      compares: 'processor time of a large list, by default / with GOMEMLIMIT=32MiB',
      value: of('default', 'burst 8 cpu ms') / of('GOMEMLIMIT=32MiB', 'burst 8 cpu ms'),
      bar: 1,
      unit: '',
      details,
    }),
  ].every(Boolean);
}

async function fill(scratch: string, port: number): Promise<void> {
  await mkdir(join(scratch, 'migrations'));
  await writeFile(join(scratch, 'migrations', '1_docs.js'), MIGRATION);
  const instance = await start(scratch, 'template', port, {});
  await send(port, { count: RECORDS, clients: 4, method: 'POST', path: PATH });
  await instance.stop();
}

async function measure(scratch: string, port: number, environment: Record<string, string>): Promise<Sample> {
  await rm(join(scratch, 'data'), { recursive: true, force: true });
  await cp(join(scratch, 'template'), join(scratch, 'data'), { recursive: true });
  const { pid, stop } = await start(scratch, 'data', port, environment);
  await pause(IDLE_AFTER_MS);
  const sample: Sample = { 'idle MiB': (privateBytes(pid) ?? Number.NaN) / MIB };
  for (const [name, work] of Object.entries(WORK)) {
    const before = cpuMs(pid);
    sample[`${name} per s`] = await send(port, work);
    sample[`${name} cpu ms`] = (cpuMs(pid) - before) / work.count;
  }
  sample['burst MiB'] = (privateBytes(pid) ?? Number.NaN) / MIB;
  await stop();
  return sample;
}

async function start(scratch: string, data: string, port: number, environment: Record<string, string>) {
  const none = join(scratch, 'none');
  const child = spawn(
    BINARY,
    [
      'serve',
      `--http=127.0.0.1:${port}`,
      `--dir=${join(scratch, data)}`,
      `--migrationsDir=${join(scratch, 'migrations')}`,
      `--hooksDir=${none}`,
      `--publicDir=${none}`,
      '--hooksPool=1',
      '--automigrate=false',
      '--dev=false',
    ],
    { stdio: 'ignore', env: environment },
  );
  await untilAnswers(port);
  const stop = async () => {
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    await exit;
  };
  return { pid: child.pid ?? 0, stop };
}

/** Requests per second. */
async function send(
  port: number,
  work: { count: number; clients: number; method: string; path: string },
): Promise<number> {
  const agent = new Agent({ keepAlive: true });
  try {
    return await ratePerSecond(work.count, work.clients, () => call(agent, port, work));
  } finally {
    agent.destroy();
  }
}

function call(agent: Agent, port: number, { method, path }: { method: string; path: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const sent = request({ host: '127.0.0.1', port, path, method, agent, headers }, (response) => {
      response.resume().once('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`status ${response.statusCode}`));
      });
    });
    sent.once('error', reject).end(method === 'POST' ? RECORD : undefined);
  });
}

function cpuMs(pid: number): number {
  return (processStat(pid)?.cpuSeconds ?? Number.NaN) * 1000;
}
