import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { createDeployment, type Deployment } from '../test/helpers/deployment.ts';
import { freePortRange } from '../test/helpers/free-ports.ts';
import { BINARY, bareBoot, untilAnswers, untilSilent, userInstance } from './bare-pocketbase.ts';
import { type Database, FleetUsers } from './fleet-user.ts';
import { median, ms, report } from './measure.ts';

const INSTANCES = 15;
const PEERS = join(import.meta.dirname, 'peers');

/** SIGKILL of an instance until it answers again: against a bare boot, and against pm2. */
export async function benchRecovery(): Promise<boolean> {
  const scratch = await mkdtemp(join(tmpdir(), 'fathom-bench-'));
  const fathom = await createDeployment({}, { ports: INSTANCES * 2 });
  try {
    const daemon = await fathom.start();
    const users = new FleetUsers(fathom);
    const databases = await users.provisionMany(INSTANCES);

    const bareDir = join(scratch, 'bare');
    const port = await freePortRange(1);
    await (await bareBoot(port, [`--dir=${bareDir}`])).stop();
    const ours: number[] = [];
    const bare: number[] = [];
    for (const database of databases) {
      const boot = await bareBoot(port, [`--dir=${bareDir}`]);
      bare.push(boot.tookMs);
      await boot.stop();
      ours.push(await killAndWait(await pidOf(fathom, database), database.port));
    }
    await daemon.stop();
    const pm2 = await benchPm2(scratch, fathom, databases);
    const againstBare = report({
      name: 'recovery',
      compares: 'SIGKILL of an instance → it answers again / bare boot of an existing directory',
      value: median(ours) / median(bare),
      bar: 1.5,
      unit: '',
      details: `medians of ${INSTANCES}: ours ${ms(median(ours))}, bare boot ${ms(median(bare))}`,
    });
    const againstPm2 = report({
      name: 'recovery against pm2',
      compares:
        'SIGKILL of an instance → it answers again / the same with pm2 7, the same binary, directories and flags',
      value: median(ours) / median(pm2),
      bar: 1,
      unit: '',
      details: `medians of ${INSTANCES}: ours ${ms(median(ours))}, pm2 ${ms(median(pm2))}`,
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

/** The same databases under pm2, which comes by its own lock file and is installed on first use. */
async function benchPm2(
  scratch: string,
  fathom: Deployment,
  databases: readonly Database[],
): Promise<number[]> {
  const pm2 = join(PEERS, 'node_modules', '.bin', 'pm2');
  if (!existsSync(pm2)) await execa('npm', ['ci', '--prefix', PEERS, '--no-audit', '--no-fund']);
  const key = Buffer.from(fathom.env['PB_ENCRYPTION_KEY'] ?? '', 'base64');
  const env = { PATH: process.env['PATH'] ?? '', PM2_HOME: join(scratch, 'pm2'), HOME: scratch };
  const run = (args: string[], more: Record<string, string> = {}) =>
    execa(pm2, args, { env: { ...env, ...more }, extendEnv: false });
  try {
    for (const { name, port } of databases) {
      const { args, environment } = userInstance(fathom.dataDir, name, key);
      const serve = ['serve', `--http=127.0.0.1:${port}`, ...args];
      await run(['start', BINARY, '--name', name, '--interpreter', 'none', '--', ...serve], environment);
      await untilAnswers(port);
    }
    const { stdout } = await run(['jlist']);
    const list = JSON.parse(stdout.slice(stdout.indexOf('['))) as { name: string; pid: number }[];
    const taken: number[] = [];
    for (const { name, port } of databases) {
      const pid = list.find((process) => process.name === name)?.pid;
      if (pid === undefined) throw new Error(`pm2 does not know ${name}`);
      taken.push(await killAndWait(pid, port));
    }
    return taken;
  } finally {
    await run(['kill']);
  }
}
