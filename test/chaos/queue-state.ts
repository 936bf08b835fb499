import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../shared/errors.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import type { KeptProcess } from './kept-process.ts';
import { readUnfinished } from './lease-log.ts';

const LINES = 15;

/** What the queue and everything that works on it are doing: for the error of a test that waited in vain. */
export async function describeQueue(
  fathom: Deployment,
  processes: Readonly<Record<string, KeptProcess>>,
): Promise<string> {
  const { counts, tasks } = readUnfinished(join(fathom.dataDir, 'global', 'pb_data', 'data.db'));
  const fleet = await fleetProcesses(fathom.dataDir);
  const states = await Promise.all(
    Object.entries(processes).map(async ([name, { run, ends }]) =>
      [
        `${name} (${run.pid}): ${await stateOf(run)}, ended by itself with [${ends.map(({ code }) => code).join(', ')}] before`,
        ...lastLines(run.output()),
      ].join('\n  '),
    ),
  );
  const globalLog = join(fathom.dataDir, 'logs', 'instances', 'global.log');
  return [
    `${new Date().toISOString()}: ${JSON.stringify(counts)}`,
    ...tasks.map((task) => JSON.stringify(task)),
    `instances: ${fleet.map(({ instance, pid }) => `${instance} (${pid})`).join(', ') || 'none'}`,
    `daemon's status: ${await statusOf(fathom)}`,
    ...states,
    ['global.log:', ...lastLines(readText(globalLog))].join('\n  '),
  ].join('\n');
}

async function stateOf(process: Daemon): Promise<string> {
  const running = Symbol('running');
  const end = await Promise.race([process.exited, Promise.resolve(running)]);
  if (end === running) return 'running';
  return end === null ? 'killed' : `ended with ${String(end)}`;
}

async function statusOf({ client }: Deployment): Promise<string> {
  try {
    const [{ ready, waiting_for }, { items }] = await Promise.all([
      client.daemon.status(),
      client.databases.list(),
    ]);
    return JSON.stringify({ ready, waiting_for, instances: items });
  } catch (error) {
    return messageOf(error);
  }
}

function lastLines(text: string): string[] {
  return text.trimEnd().split('\n').slice(-LINES);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return messageOf(error);
  }
}
