import { once } from 'node:events';
import { statSync } from 'node:fs';
import { chmod, readFile, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { exists, makePrivateDir } from '../../base/files/dir.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Config } from '../../config/config.ts';
import type { LiveSettings } from '../../config/live-settings.ts';
import { openFilesLimit } from '../../metrics/process-reading.ts';
import { processStat } from '../../pocketbase/process/procfs.ts';
import type { Transport } from '../caller.ts';
import type { Forwarding } from '../forwarding/forwarding.ts';
import type { Api } from '../serve.ts';
import { limitConnections } from './connections.ts';
import { descriptorOf, loadSocketReader, type SocketReader, setPeerUser } from './peer.ts';
import { type PeerRule, peerProblem } from './peer-rule.ts';
import { allowGroup } from './socket-group.ts';

/** An API that does not listen yet. `close` closes it and its connections. */
export interface Served extends Listening {
  api: Api;
}

export type CreateServer = (transport: Transport) => Promise<Served>;

export interface Listening {
  close: () => Promise<void>;
}

/** @throws FathomError `server.port_in_use` */
export async function listenOnTcp(
  create: CreateServer,
  { server: { host, port }, trustedProxies }: Pick<Config, 'server' | 'trustedProxies'>,
  { settings, forwarding }: { settings: LiveSettings; forwarding: Pick<Forwarding, 'isNode'> | null },
): Promise<Listening> {
  const { api, close } = await create('tcp');
  try {
    limitConnections(api.server, {
      perNetwork: () => settings.limits.connectionsPerAddress,
      total: await maxConnections(),
      trustedProxies,
      isNode: (address) => forwarding?.isNode(address) ?? false,
    });
    await api.listen({ host, port });
  } catch (error) {
    await close();
    const { code, message } = error as NodeJS.ErrnoException;
    throw new FathomError(
      'server.port_in_use',
      code === 'EADDRINUSE'
        ? `SERVER_PORT ${port} on ${host} is in use by another process; end it, or set SERVER_PORT to a free port`
        : `cannot listen on ${host}:${port}: ${message}; correct SERVER_HOST and SERVER_PORT`,
      { cause: error },
    );
  }
  return { close };
}

/** Half of the limit of open files: TCP clients must leave the rest for the local socket and the databases. */
async function maxConnections(): Promise<number> {
  return Math.floor(openFilesLimit(await readFile('/proc/self/limits', 'utf8')) / 2);
}

export interface LocalSocket extends Listening {
  /** Opens the socket again when its file was removed. Returns whether it was removed. */
  restore: () => Promise<boolean>;
}

export interface SocketOptions {
  /** The descriptor of an open socket that outlives this daemon, or null. */
  inherited: number | null;
  /** The pids of instances, which may not connect. */
  instances: () => ReadonlySet<number>;
  /** Whether a process is in the cgroup of an instance. */
  isInInstance: (pid: number) => boolean;
  /** Pids of children of this daemon that may connect. */
  ownPrograms: ReadonlySet<number>;
  log: Logger;
}

const GROUP_CAN_WRITE = 0o020;

/**
 * Listens on the local socket. Every client that can open it is an administrator: the user of the daemon, root, and the
 * members of its group, but no process of an instance or of a handler.
 *
 * @throws FathomError `data_dir.locked` when another process listens on the socket, `data_dir.unusable`
 */
export async function listenOnSocket(
  create: CreateServer,
  { socketPath: path, socketGroup }: Pick<Config, 'socketPath' | 'socketGroup'>,
  { inherited, instances, isInInstance, ownPrograms, log }: SocketOptions,
): Promise<LocalSocket> {
  const { api, close } = await create('socket');
  const restored: Server[] = [];
  const reader = await loadSocketReader();
  let gid: number | null = null;
  if ('problem' in reader) {
    log.warn(`cannot check who connects to the local socket (${reader.problem}); its file permissions apply`);
  } else {
    const inheritedPath = inherited === null ? null : (reader.pathOf(inherited) ?? path);
    api.server.on('connection', (socket) => {
      const group = inheritedPath === null ? gid : groupOf(inheritedPath);
      admitPeer(socket, reader, { gid: group, instances: instances(), isInInstance, ownPrograms }, log);
    });
  }
  try {
    if (inherited === null) {
      // The lock on the data directory does not cover this path: another deployment may use the same one.
      if (await isListening(path)) throw socketInUse(path);
      // A daemon that was killed leaves its socket file behind.
      await rm(path, { force: true });
      gid = await openSocket(path, socketGroup, () => api.listen({ path }));
    } else {
      await api.ready();
      api.server.listen({ fd: inherited });
      await once(api.server, 'listening');
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    restore: async () => {
      if (await exists(path)) return false;
      await makePrivateDir(dirname(path));
      const server = createServer((socket) => void api.server.emit('connection', socket));
      await openSocket(path, socketGroup, async () => void (await once(server.listen(path), 'listening')));
      restored.push(server);
      return true;
    },
    close: async () => {
      for (const server of restored) server.close();
      await close();
    },
  };
}

/** Closes a connection before its first request is read, unless the process at its other end may use the socket. */
function admitPeer(
  socket: Socket,
  reader: SocketReader,
  rule: Pick<PeerRule, 'gid' | 'instances' | 'isInInstance' | 'ownPrograms'>,
  log: Logger,
): void {
  const fd = descriptorOf(socket);
  let problem: string | null = 'its descriptor is closed';
  if (fd !== null) {
    try {
      const peer = reader.peerOf(fd);
      setPeerUser(socket, peer.uid);
      const own = { uid: process.geteuid?.() ?? -1, pid: process.pid };
      problem = peerProblem(peer, { ...rule, ...own, relationsOf: processStat });
    } catch (error) {
      problem = messageOf(error);
    }
  }
  if (problem === null) return;
  log.warn(`refused a connection to the local socket: ${problem}`);
  socket.destroy();
}

/** The group that may write a socket, which systemd opened; null without one. */
function groupOf(path: string): number | null {
  const file = statSync(path, { throwIfNoEntry: false });
  return file !== undefined && (file.mode & GROUP_CAN_WRITE) !== 0 ? file.gid : null;
}

/**
 * Returns the id of the group.
 *
 * @throws FathomError `data_dir.unusable`, and the errors of `allowGroup`
 */
async function openSocket(
  path: string,
  group: string | null,
  listen: () => Promise<unknown>,
): Promise<number | null> {
  try {
    await listen();
    await chmod(path, 0o660);
    return group === null ? null : await allowGroup(path, group);
  } catch (error) {
    if (error instanceof FathomError) throw error;
    throw new FathomError(
      'data_dir.unusable',
      `cannot listen on the socket ${path}: ${(error as Error).message}; correct FATHOM_SOCKET`,
      { cause: error },
    );
  }
}

async function isListening(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function socketInUse(path: string): FathomError {
  return new FathomError(
    'data_dir.locked',
    `another process listens on the socket ${path}; stop it first, or set FATHOM_SOCKET to another path`,
  );
}
