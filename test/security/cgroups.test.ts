import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asAccount, OTHER_ACCOUNT, otherAccountProblem } from '../helpers/other-account.ts';

// A program takes PocketBase's place in the cgroup of an instance, and tries to take more than its part.

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'cgroups');
const MOUNT = '/sys/fs/cgroup';
const CONTROLLERS = ['memory', 'cpu', 'pids'];
const ESCAPES = [
  'move-to-root',
  'move-to-parent',
  'move-to-daemon',
  'raise-memory',
  'raise-processes',
  'raise-weight',
  'freeze-others',
  'make-cgroup',
];

interface Run {
  cgroup: string | null;
  problem: string | null;
  exit: { code: number | null; signal: string | null; isOutOfMemory?: true };
  results: Record<string, string>;
}

interface Outcome {
  status: { controllers: string[]; reason: string | null };
  memory: Run;
  processes: Run;
  child: Run;
  isChildAlive: boolean;
  escape: Run;
}

let directory: string;
let root: string;

async function findProblem(): Promise<string | null> {
  const account = otherAccountProblem();
  if (account !== null) return account;
  const available = await readFile(join(MOUNT, 'cgroup.controllers'), 'utf8').catch(() => '');
  const missing = CONTROLLERS.filter((controller) => !available.split(/\s+/).includes(controller));
  if (missing.length > 0) return `cgroup version 2 does not have ${missing.join(', ')} here`;
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'it needs a C compiler';
  }
}

const problem = await findProblem();
if (problem !== null) console.log(`SKIPPED test/security/cgroups.test.ts: ${problem}`);

/** A cgroup like the one that systemd delegates to a service: it belongs to the account, which runs in `daemon` below it. */
beforeAll(async () => {
  if (problem !== null) return;
  directory = await mkdtemp(join(tmpdir(), 'fathom-cgroups-'));
  await chmod(directory, 0o755);
  const hog = ['-static', '-O1', '-o', join(directory, 'hog'), join(FIXTURES, 'hog.c')];
  execFileSync('cc', hog, { stdio: 'pipe' });
  const enabled = CONTROLLERS.map((controller) => `+${controller}`).join(' ');
  await writeFile(join(MOUNT, 'cgroup.subtree_control'), enabled);
  root = join(MOUNT, `fathom-test-${process.pid}`);
  await mkdir(join(root, 'daemon'), { recursive: true });
  for (const path of [root, join(root, 'daemon')]) {
    await chown(path, OTHER_ACCOUNT, OTHER_ACCOUNT);
    for (const file of ['cgroup.procs', 'cgroup.subtree_control']) {
      await chown(join(path, file), OTHER_ACCOUNT, OTHER_ACCOUNT);
    }
  }
});

afterAll(async () => {
  if (problem !== null) return;
  await removeCgroup(root);
  await rm(directory, { recursive: true, force: true });
});

async function removeCgroup(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeCgroup(join(path, entry.name));
  }
  await rmdir(path);
}

async function run(level: string): Promise<Outcome> {
  const own = await mkdtemp(join(directory, `${level}-`));
  await chown(own, OTHER_ACCOUNT, OTHER_ACCOUNT);
  const enter = `echo $$ > '${join(root, 'daemon', 'cgroup.procs')}'; exec "$@"`;
  const program = [process.execPath, '--disable-warning=ExperimentalWarning', join(FIXTURES, 'run-hog.ts')];
  const args = [...asAccount(OTHER_ACCOUNT), ...program, join(directory, 'hog'), level, root, own];
  return JSON.parse((await execa('sh', ['-c', enter, 'sh', ...args])).stdout) as Outcome;
}

describe.skipIf(problem !== null)('an instance in a cgroup', () => {
  it.each(['off', 'auto'])('takes no more than its part (PB_SANDBOX=%s)', async (level) => {
    const { status, memory, processes, child, isChildAlive, escape } = await run(level);
    expect(status.reason).toBeNull();
    expect(status.controllers).toEqual(expect.arrayContaining(CONTROLLERS));
    for (const { cgroup, problem: why } of [memory, processes, child]) {
      expect(why).toBeNull();
      expect(cgroup).toMatch(new RegExp(`^${root}/user/`));
    }
    expect(memory.exit).toEqual({ code: null, signal: 'SIGKILL', isOutOfMemory: true });
    expect(processes.results['fork']).toBe('EAGAIN');
    expect(Number(processes.results['processes'])).toBeLessThan(1024);
    // What it started ends with it.
    expect(child.exit.code).toBe(0);
    expect(isChildAlive).toBe(false);
    if (level === 'auto') expect(ESCAPES.filter((name) => escape.results[name] === 'done')).toEqual([]);
  });
});
