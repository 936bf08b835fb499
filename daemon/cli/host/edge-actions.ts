import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { exists } from '../../base/files/dir.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import { createLog } from '../../base/log/log.ts';
import { systemClock } from '../../base/time/clock.ts';
import { loadClusterEdge } from '../../config/edge-hosts.ts';
import { type HaproxySite, haproxySite, holdScript } from '../../host/install/edge/haproxy-site.ts';
import { pathProblem } from '../../host/install/edge/site.ts';
import type { CliContext } from '../context.ts';
import { UsageError } from '../input/usage-error.ts';

interface EdgeArguments {
  directory: string;
  'haproxy-socket': string;
  'env-file'?: string | undefined;
}

/** Prints haproxy.cfg. Writes what it reads: a script, and a map that 'edge run' replaces. */
export async function printHaproxy(
  args: EdgeArguments & {
    certificate?: string | undefined;
    user: string;
    'http-port': number;
    'https-port': number;
  },
  context: CliContext,
): Promise<number> {
  const { env, cwd, stdout } = context;
  const { ROUTES_MAP } = await import('../../cluster/edge/open-edge.ts');
  const { hosts } = loadClusterEdge({ commandLine: { envFile: args['env-file'] }, env, cwd });
  const directory = absolutePath('--directory', args.directory, cwd);
  const site: HaproxySite = {
    hosts,
    routesMap: join(directory, ROUTES_MAP),
    holdScript: join(directory, 'hold.lua'),
    socketPath: absolutePath('--haproxy-socket', args['haproxy-socket'], cwd),
    certificate: args.certificate === undefined ? null : absolutePath('--certificate', args.certificate, cwd),
    account: args.user === 'none' ? null : args.user,
    ports: { http: args['http-port'], https: args['https-port'] },
  };
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const options = { mode: 0o644, synced: true };
  await replaceFile(site.holdScript, holdScript(site), options);
  if (!(await exists(site.routesMap))) await replaceFile(site.routesMap, '', options);
  stdout.write(haproxySite(site));
  return 0;
}

/** @throws UsageError */
function absolutePath(option: string, path: string, cwd: string): string {
  const absolute = resolve(cwd, path);
  const problem = pathProblem(option, absolute);
  if (problem !== null) throw new UsageError(problem);
  return absolute;
}

/** Runs until SIGTERM or SIGINT. */
export async function runClusterEdge(args: EdgeArguments, context: CliContext): Promise<number> {
  const { env, cwd } = context;
  const config = loadClusterEdge({ commandLine: { envFile: args['env-file'] }, env, cwd });
  const { runEdge } = await import('../../cluster/edge/open-edge.ts');
  const ended = new AbortController();
  const stopped = new AbortController();
  const signalled = Promise.race(
    ['SIGTERM', 'SIGINT'].map((signal) => once(process, signal, { signal: ended.signal })),
  ).then(
    () => stopped.abort(),
    () => {},
  );
  try {
    await runEdge(config, {
      directory: absolutePath('--directory', args.directory, cwd),
      socketPath: resolve(cwd, args['haproxy-socket']),
      signal: stopped.signal,
      clock: systemClock,
      log: createLog({ level: 'info' }),
    });
    return 0;
  } finally {
    ended.abort();
    await signalled;
  }
}
