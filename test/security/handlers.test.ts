import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { loadLibc } from '../../daemon/pocketbase/sandbox/libc.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { signUp } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { finished, startWorkers } from '../helpers/queue.ts';

// A handler of the administrator that contains hostile code, for example of a package that it uses.

const HANDLER = `
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, readlinkSync, writeFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const attempt = (action) => {
  try {
    action();
    return 'done';
  } catch ({ code, status }) {
    return code ?? status;
  }
};

export default async ({ dataDir, secrets, database, victim }) => {
  const attacks = {
    'read-secrets': () => readFileSync(secrets),
    'read-database': () => readFileSync(database),
    'write-database': () => writeFileSync(database, '', { flag: 'r+' }),
    'list-data': () => readdirSync(dataDir),
    'read-by-link': () => readFileSync('/proc/self/cwd/.env'),
    'read-by-program': () => execFileSync('cat', [secrets], { stdio: 'ignore' }),
    'read-environment': () => readFileSync(\`/proc/\${victim}/environ\`),
    'read-memory': () => readFileSync(\`/proc/\${victim}/maps\`),
    'read-root': () => readFileSync(\`/proc/\${victim}/root\${secrets}\`),
    'read-links': () => readlinkSync(\`/proc/\${victim}/fd/1\`),
    signal: () => process.kill(victim, 0),
  };
  const allowed = {
    'read-host': () => readFileSync('/etc/hosts'),
    'run-program': () => execFileSync('true'),
    'write-temporary': () => writeFileSync(join(mkdtempSync(join(tmpdir(), 'x-')), 'file'), 'text'),
    'write-own': () => writeFileSync(new URL('state.json', import.meta.url), '{}'),
    'read-own': () => readFileSync(new URL(import.meta.url)),
    'load-package': () => {},
  };
  await import('helpful');
  const results = Object.entries({ ...attacks, ...allowed }).map(([name, action]) => [name, attempt(action)]);
  return Object.fromEntries(results);
};`;

const ATTACKS = [
  'read-secrets',
  'read-database',
  'write-database',
  'list-data',
  'read-by-link',
  'read-by-program',
  'read-environment',
  'read-memory',
  'read-root',
  'read-links',
];
const ALLOWED = ['read-host', 'run-program', 'write-temporary', 'write-own', 'read-own', 'load-package'];

/** Null where Landlock can be used. */
let problem: string | null;
/** Whether Landlock covers signals. */
let coversSignals: boolean;

beforeAll(async () => {
  const libc = await loadLibc();
  const version = 'problem' in libc ? 0 : libc.syscall(444, 0, 0, 1);
  problem = version >= 2 ? null : 'this host offers no Landlock';
  coversSignals = version >= 6;
});

async function prepared(settings: Record<string, string> = {}): Promise<{ fathom: Deployment; pid: number }> {
  const fathom = await deployment(settings);
  const tasks = join(fathom.dataDir, 'tasks');
  await mkdir(join(tasks, 'node_modules', 'helpful'), { recursive: true });
  await writeFile(join(tasks, 'attack.mjs'), HANDLER);
  await writeFile(join(tasks, 'node_modules', 'helpful', 'index.js'), '');
  await writeFile(join(fathom.dataDir, '.env'), 'LOG_LEVEL=info\n', { mode: 0o600 });
  const { pid } = await fathom.start();
  return { fathom, pid };
}

async function attack(fathom: Deployment, victim: number): Promise<Record<string, unknown>> {
  const tenant = await signUp(fathom);
  const payload = {
    dataDir: fathom.dataDir,
    secrets: join(fathom.dataDir, '.env'),
    database: join(fathom.dataDir, 'user_dbs', tenant.name, 'pb_data', 'data.db'),
    victim,
  };
  const { id } = await fathom.client.queue.add({ type: 'attack', payload });
  const task = await finished(fathom, id);
  expect(task.status, JSON.stringify(task.errors)).toBe('done');
  return task.result as Record<string, unknown>;
}

function refused(results: Record<string, unknown>): string[] {
  return Object.keys(results).filter((name) => results[name] !== 'done');
}

it('cannot use the data and the secrets of the fleet, and works as before', async ({ skip }) => {
  if (problem !== null) skip(problem);
  const { fathom, pid } = await prepared();
  const results = await attack(fathom, pid);
  expect(refused(results)).toEqual([...ATTACKS, ...(coversSignals ? ['signal'] : [])]);
  expect(ALLOWED.filter((name) => results[name] !== 'done')).toEqual([]);
  expect(await readFile(join(fathom.dataDir, 'tasks', 'state.json'), 'utf8')).toBe('{}');
  // A handler of Fathom opens the files of a database.
  const { items } = await fathom.client.databases.list();
  const vacuum = await fathom.client.queue.add({
    type: 'database.vacuum',
    payload: null,
    user_id: items.find(({ kind }) => kind === 'user')?.user_id ?? '',
  });
  expect((await finished(fathom, vacuum.id)).status).toBe('done');
});

it('is stopped in the same way in a worker of its own process', async ({ skip }) => {
  if (problem !== null) skip(problem);
  const { fathom, pid } = await prepared({ WORKER_CONCURRENCY: '1' });
  await fathom.client.queue.pause();
  const [worker] = await startWorkers(fathom, 1);
  await fathom.client.queue.resume();
  expect(refused(await attack(fathom, worker?.pid ?? pid))).toEqual(expect.arrayContaining(ATTACKS));
});

it('can use everything with QUEUE_SANDBOX=off', async () => {
  const { fathom, pid } = await prepared({ QUEUE_SANDBOX: 'off' });
  const results = await attack(fathom, pid);
  expect(refused(results)).toEqual([]);
});
