import type { Host } from './network.ts';
import type { ProcessWatch } from './process-watch.ts';
import type { Server } from './server.ts';

export const KINDS = [
  'daemon',
  'keeper',
  'litestream',
  'database',
  'etcd',
  'server',
  'stopped keeper',
  'stopped server',
  'cut',
  'slow',
  'no majority',
  'no store',
] as const;
export type Kind = (typeof KINDS)[number];

/** How long it lasts, in seconds. */
const LASTS: Record<Kind, readonly [number, number]> = {
  daemon: [1, 4],
  keeper: [1, 4],
  litestream: [1, 4],
  database: [1, 3],
  etcd: [2, 6],
  server: [2, 20],
  'stopped keeper': [2, 18],
  'stopped server': [2, 20],
  cut: [2, 20],
  slow: [4, 8],
  'no majority': [4, 16],
  'no store': [4, 10],
};

/** Those after which another node can have the databases. */
const LOSES_NODE: ReadonlySet<Kind> = new Set([
  'server',
  'stopped server',
  'cut',
  'slow',
  'daemon',
  'keeper',
]);

export interface Fault {
  kind: Kind;
  /** Which server has it; for a fault of the whole cluster, the others have it as well. */
  server: Server;
  /** For `database`. */
  database: string | null;
  /** In milliseconds. */
  lastsMs: number;
}

export interface Place {
  servers: readonly Server[];
  watch: ProcessWatch;
  store: Host;
  ownedBy: (node: string) => string[];
}

const STORE_FAULT: Kind = 'no store';

export function chooseFault(kind: Kind, random: () => number, { servers, ownedBy }: Place): Fault {
  const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)];
  const server = pick(servers);
  if (server === undefined) throw new Error('no servers');
  const [least, most] = LASTS[kind];
  const lastsMs = (least + random() * (most - least)) * 1000;
  const owned = kind === 'database' ? pick(ownedBy(server.name)) : undefined;
  return { kind, server, database: owned ?? null, lastsMs };
}

/** The databases that may be away because of a fault, or 'all'. */
export function concernedBy(
  { kind, server, database }: Fault,
  { ownedBy }: Place,
): readonly string[] | 'all' {
  if (kind === 'no majority') return 'all';
  if (kind === 'litestream' || kind === 'etcd' || kind === STORE_FAULT) return [];
  if (kind === 'database') return database === null ? [] : [database];
  return ownedBy(server.name);
}

/** Whether the server cannot vote in etcd. */
export const isWithoutEtcd = ({ kind }: Fault) =>
  kind === 'etcd' || kind === 'server' || kind === 'stopped server' || kind === 'cut' || kind === 'slow';

export const mayMove = ({ kind }: Fault) => LOSES_NODE.has(kind);

export async function applyFault(
  { kind, server, database }: Fault,
  { servers, watch, store }: Place,
): Promise<void> {
  switch (kind) {
    case 'daemon':
      return server.killDaemon();
    case 'keeper':
      return server.killKeeper();
    case 'litestream':
      return server.killLitestream();
    case 'database': {
      const pid = database === null ? null : watch.find(server.name, database);
      if (pid !== null) process.kill(pid, 'SIGKILL');
      return;
    }
    case 'etcd':
      return server.killMember();
    case 'server':
      return server.kill();
    case 'stopped keeper':
      process.kill(await server.keeper(), 'SIGSTOP');
      return;
    case 'stopped server':
      return server.pause();
    case 'cut':
      return server.host.cut();
    case 'slow':
      return server.host.slow();
    case 'no majority': {
      const others = servers.filter((other) => other !== server);
      await Promise.all(others.map((other) => other.killMember()));
      return;
    }
    case 'no store':
      return store.cut();
  }
}
