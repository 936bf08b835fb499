import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { HostReport } from '../../daemon/backups/restore/restore-host.ts';
import { createDeployment, type Deployment } from '../../test/helpers/deployment.ts';
import { FATHOMD, fathomd } from '../../test/helpers/fathomd.ts';
import { addStoppedDatabases } from '../fleet/many-databases.ts';
import { median, report } from '../measure.ts';
import { FleetData } from './fleet-data.ts';
import { findRestic, Restic } from './restic.ts';
import {
  DATABASES,
  MEGABYTES,
  MIB,
  NICENESS,
  PARALLEL,
  ROUNDS,
  requireSpace,
  restoreSeconds,
} from './workload.ts';

/**
 * `fathomd restore` on an empty host, against the restore of the same databases and files by restic. The command also
 * restores the control plane and the secrets, ends all sessions, checks each database, and syncs each file. Both end
 * when the disk has everything.
 */
export async function benchHostRestore(): Promise<boolean> {
  const version = await findRestic();
  if (version === null) {
    console.log('skipped host-restore: restic is not installed');
    return true;
  }
  const scratch = await mkdtemp(join(tmpdir(), 'fathom-bench-'));
  const target = join(scratch, 'target');
  const fathom = await createDeployment({ BACKUP_TARGET: target }, { ports: DATABASES + 10 });
  try {
    await requireSpace(scratch);
    const { data, keyFile } = await backUpFleet(fathom, scratch);
    const restic = new Restic(join(scratch, 'restic'), { parallel: PARALLEL, niceness: NICENESS });
    await restic.init();
    await restic.backUp(data);
    const restored = join(scratch, 'restored');
    const measure = async (restore: () => Promise<void>) => {
      const seconds = await restoreSeconds(restore);
      await rm(restored, { recursive: true });
      return seconds;
    };
    const restoreHost = () => measure(() => runRestore(fathom, { target, keyFile, directory: restored }));
    const restoreCopies = () => measure(() => restic.restore(data, restored));
    const rounds: [ours: number, theirs: number][] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const theirsFirst = round % 2 === 1 ? await restoreCopies() : null;
      rounds.push([await restoreHost(), theirsFirst ?? (await restoreCopies())]);
    }
    return report({
      name: 'host restore',
      compares: `'fathomd restore' of ${DATABASES} databases with ${MEGABYTES} MiB on ${PARALLEL} processors / restic ${version}`,
      value: median(rounds.map(([ours, theirs]) => ours / theirs)),
      bar: 1,
      unit: '',
      details: `median of ${ROUNDS} rounds, s: ${rounds.map((pair) => pair.map((one) => one.toFixed(1)).join(' against ')).join(', ')}`,
    });
  } finally {
    await fathom.dispose();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The daemon backs up a fleet of stopped databases, with a recovery key. */
async function backUpFleet(
  fathom: Deployment,
  scratch: string,
): Promise<{ data: FleetData; keyFile: string }> {
  // Makes the control plane.
  await (await fathom.start()).stop();
  const names = addStoppedDatabases(fathom, DATABASES);
  const data = await FleetData.create(join(fathom.dataDir, 'user_dbs'), names, MEGABYTES * MIB);
  const daemon = await fathom.start();
  const keyFile = join(scratch, 'recovery-key.txt');
  const run = async (...args: string[]) => {
    const { exitCode, stdout, stderr } = await fathomd([...args, '--socket', fathom.socketPath]);
    if (exitCode !== 0) throw new Error(`fathomd ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  await writeFile(keyFile, await run('backups', 'recovery-key'), { mode: 0o600 });
  await run('backups', 'create', '--all');
  await daemon.stop();
  return { data, keyFile };
}

async function runRestore(
  { env }: Deployment,
  { target, keyFile, directory }: { target: string; keyFile: string; directory: string },
): Promise<void> {
  const restore = ['restore', '--from', target, '--recovery-key', keyFile, '--data-dir', directory];
  // With its default, and as many processors as restic has threads.
  const processors = ['taskset', '--cpu-list', `0-${PARALLEL - 1}`];
  const args = ['-n', String(NICENESS), ...processors, FATHOMD, ...restore, '--json'];
  const { PATH = '', PB_BINARY_PATH = '' } = env;
  const { stdout } = await execa('nice', args, { env: { PATH, PB_BINARY_PATH }, extendEnv: false });
  const { restored, missing, older } = JSON.parse(stdout) as HostReport;
  if (restored.length !== DATABASES || missing.length + older.length > 0)
    throw new Error(`the restore is not complete: ${stdout}`);
}
