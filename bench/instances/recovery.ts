import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { createDeployment, type Deployment } from '../../test/helpers/deployment.ts';
import { freePortRange } from '../../test/helpers/free-ports.ts';
import { BINARY, bareBoot, untilAnswers, untilSilent, userInstance } from '../bare-pocketbase.ts';
import { type Database, FleetUsers } from '../fleet-user.ts';
import { median, ms, report } from '../measure.ts';

const INSTANCES = 15;
const PEERS = join(import.meta.dirname, '../peers');
const PM2 = join(PEERS, 'node_modules', '.bin', 'pm2');

/** SIGKILL of an instance until it answers again: against a bare boot, and against pm2, turn by turn. */
export async function benchRecovery(): Promise<boolean> {
  const scratch = await mkdtemp(join(tmpdir(), 'fathom-bench-'));
  const fathom = await createDeployment({}, { ports: INSTANCES * 4 });
  try {
    await fathom.start();
    const databases = await new FleetUsers(fathom).provisionMany(INSTANCES * 2);
    const ours = databases.slice(0, INSTANCES);
    // The other half is handed to pm2: clones of the same template, served with the same flags.
    const theirs = databases.slice(INSTANCES);
    for (const { name } of theirs) await fathom.client.databases.stop(name);
    await using pm2 = await Pm2.start(join(scratch, 'pm2'), fathom, theirs);

    const port = await freePortRange(1);
    const bareArguments = [`--dir=${join(scratch, 'bare')}`];
    await (await bareBoot(port, bareArguments)).stop();
    const took = { ours: [] as number[], pm2: [] as number[], bare: [] as number[] };
    for (const [index, database] of ours.entries()) {
      const boot = await bareBoot(port, bareArguments);
      took.bare.push(boot.tookMs);
      await boot.stop();
      took.ours.push(await killAndWait(await pidOf(fathom, database), database.port));
      const other = theirs[index] as Database;
      took.pm2.push(await killAndWait(await pm2.pidOf(other.name), other.port));
    }
    const againstBare = report({
      name: 'recovery',
      compares: 'SIGKILL of an instance → it answers again / bare boot of an existing directory',
      value: median(took.ours) / median(took.bare),
      bar: 1.5,
      unit: '',
      details: `medians of ${INSTANCES}: ours ${ms(median(took.ours))}, bare boot ${ms(median(took.bare))}`,
    });
    const againstPm2 = report({
      name: 'recovery against pm2',
      compares:
        'SIGKILL of an instance → it answers again / the same with pm2 7, the same binary, flags and template',
      value: median(took.ours) / median(took.pm2),
      bar: 1,
      unit: '',
      details: `medians of ${INSTANCES}: ours ${ms(median(took.ours))}, pm2 ${ms(median(took.pm2))}`,
    });
    return againstBare && againstPm2;
  } finally {
    await fathom.dispose();
    await rm(scratch, { recursive: true, force: true });
  }
}

async function pidOf(fathom: Deployment, { name }: Database): Promise<number> {
  const { pid } = await fathom.client.databases.get(name);
  if (pid === null) throw new Error(`${name} does not run`);
  return pid;
}

async function killAndWait(pid: number, port: number): Promise<number> {
  const started = performance.now();
  process.kill(pid, 'SIGKILL');
  // Until the kernel has closed the old listener, an answer could still be the old one's.
  await untilSilent(port);
  await untilAnswers(port);
  return performance.now() - started;
}

/** A pm2 of its own; it comes by its own lock file and is installed on first use. */
class Pm2 implements AsyncDisposable {
  readonly #home: string;

  private constructor(home: string) {
    this.#home = home;
  }

  static async start(home: string, fathom: Deployment, databases: readonly Database[]): Promise<Pm2> {
    if (!existsSync(PM2)) await execa('npm', ['ci', '--prefix', PEERS, '--no-audit', '--no-fund']);
    const pm2 = new Pm2(home);
    const key = Buffer.from(fathom.env['PB_ENCRYPTION_KEY'] ?? '', 'base64');
    for (const { name, port } of databases) {
      const { args, environment } = userInstance(fathom.dataDir, name, key);
      const serve = ['serve', `--http=127.0.0.1:${port}`, ...args];
      await pm2.#run(['start', BINARY, '--name', name, '--interpreter', 'none', '--', ...serve], environment);
      await untilAnswers(port);
    }
    return pm2;
  }

  async pidOf(name: string): Promise<number> {
    const pid = Number((await this.#run(['pid', name])).trim());
    if (!pid) throw new Error(`pm2 does not know ${name}`);
    return pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run(['kill']);
  }

  async #run(args: string[], environment: Record<string, string> = {}): Promise<string> {
    const env = { PATH: process.env['PATH'] ?? '', PM2_HOME: this.#home, HOME: this.#home, ...environment };
    return (await execa(PM2, args, { env, extendEnv: false })).stdout;
  }
}
