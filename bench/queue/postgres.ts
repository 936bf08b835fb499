import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { freePortRange } from '../../test/helpers/free-ports.ts';

const INSTALLED = '/usr/lib/postgresql';

/** A PostgreSQL of its own, with its default settings, for as long as a benchmark takes. */
export class Postgres implements AsyncDisposable {
  readonly url: string;
  readonly #directory: string;
  readonly #server: ChildProcess;

  private constructor(url: string, directory: string, server: ChildProcess) {
    this.url = url;
    this.#directory = directory;
    this.#server = server;
  }

  /** Null where PostgreSQL is not installed. */
  static async start(): Promise<Postgres | null> {
    const [version] = existsSync(INSTALLED) ? readdirSync(INSTALLED).toSorted().toReversed() : [];
    if (version === undefined) return null;
    const bin = join(INSTALLED, version, 'bin');
    const directory = await mkdtemp(join(tmpdir(), 'fathom-postgres-'));
    // PostgreSQL refuses to run as root.
    const identity = userInfo().uid === 0 ? await identityOf('postgres') : {};
    if (identity.uid !== undefined) chownSync(directory, identity.uid, identity.gid ?? 0);
    const data = join(directory, 'data');
    await execa(join(bin, 'initdb'), ['-D', data, '-A', 'trust', '-U', 'fathom', '--no-sync'], {
      ...identity,
      cwd: directory,
    });
    const port = await freePortRange(1);
    const args = ['-D', data, '-p', String(port), '-c', `unix_socket_directories=${directory}`];
    const server = spawn(join(bin, 'postgres'), args, { ...identity, stdio: 'ignore', cwd: directory });
    for (;;) {
      const { exitCode } = await execa(join(bin, 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port)], {
        reject: false,
      });
      if (exitCode === 0) break;
    }
    return new Postgres(`postgres://fathom@127.0.0.1:${port}/postgres`, directory, server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.kill('SIGINT');
    if (this.#server.exitCode === null) await once(this.#server, 'exit');
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function identityOf(user: string): Promise<{ uid?: number; gid?: number }> {
  const { stdout } = await execa('id', ['-u', user]);
  const { stdout: group } = await execa('id', ['-g', user]);
  return { uid: Number(stdout), gid: Number(group) };
}
