import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { findByEnvironment, isAlive, processStat } from '../../daemon/pocketbase/process/procfs.ts';
import { until } from '../helpers/until.ts';

const PREFIX = 'fathom-systemd-';
/** Names the workplace in the environment of all that a run starts, also of the container's first process. */
export const WORKPLACE_VARIABLE = 'SYSTEMD_TEST_WORKPLACE';
const OWNER = 'owner.json';

/** Where a run keeps its container and its tarballs. */
export interface Workplace extends AsyncDisposable {
  root: string;
  releases: string;
}

/** One that says whose it is, so that the next run can clear it away should this one be killed. */
export async function makeWorkplace(): Promise<Workplace> {
  const directory = await mkdtemp(join(tmpdir(), PREFIX));
  const owner = { pid: process.pid, startTime: processStat(process.pid)?.startTime };
  await writeFile(join(directory, OWNER), JSON.stringify(owner));
  process.env[WORKPLACE_VARIABLE] = directory;
  const [root, releases] = [join(directory, 'root'), join(directory, 'releases')];
  // It is the root directory of every account in there.
  await mkdir(root, { mode: 0o755 });
  await mkdir(releases);
  return { root, releases, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}

/** Ends and removes what was left by runs that were killed. @returns the workplaces that are gone */
export async function clearLeftovers(): Promise<string[]> {
  const names = (await readdir(tmpdir())).filter((name) => name.startsWith(PREFIX));
  const cleared: string[] = [];
  for (const directory of names.map((name) => join(tmpdir(), name))) {
    if (!(await isLeftOver(directory))) continue;
    await until(() => endedAll(directory), { what: `the processes of ${directory} to end` });
    // What the last of them wrote may come a moment later.
    await rm(directory, { recursive: true, maxRetries: 10, retryDelay: 200 });
    cleared.push(directory);
  }
  return cleared;
}

/** Kills what still runs; with its first process, which outlives its nspawn, the container ends. @returns whether there was nothing left */
async function endedAll(directory: string): Promise<boolean> {
  const running = await findByEnvironment(WORKPLACE_VARIABLE, directory);
  if (running.length === 0) return true;
  const pids = running.map(({ pid }) => String(pid));
  // One may have ended by itself meanwhile.
  await execa('kill', ['-KILL', ...pids], { reject: false });
  return false;
}

/** Whether the run that it says it belongs to is gone. One that does not say so is nobody's to remove. */
async function isLeftOver(directory: string): Promise<boolean> {
  const text = await readFile(join(directory, OWNER), 'utf8').catch(() => null);
  if (text === null) return false;
  const { pid, startTime } = JSON.parse(text) as { pid: number; startTime: number };
  return !isAlive(pid, startTime);
}
