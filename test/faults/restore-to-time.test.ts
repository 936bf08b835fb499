import { existsSync } from 'node:fs';
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { processStat } from '../../daemon/pocketbase/process/procfs.ts';
import type { Deployment } from '../helpers/deployment.ts';
import { addDocument, readAsOwner, titlesOf } from '../helpers/documents.ts';
import { signUp, type Tenant, untilRunning } from '../helpers/fleet-actions.ts';
import { mayMount, mountTmpfs } from '../helpers/mounts.ts';
import { litestream, nextSecond, replicated, untilReplica } from '../helpers/replication.ts';
import { scratch } from '../helpers/scratch.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

/** A Litestream that runs a command before it restores. */
async function litestreamWith(command: string): Promise<string> {
  const path = join(await scratch(), 'litestream');
  await writeFile(path, `#!/bin/sh\n[ "$1" = restore ] && { ${command}; }\nexec '${litestream}' "$@"\n`);
  await chmod(path, 0o755);
  return path;
}

/** A document before the time, and one after it. */
async function writeAround(fathom: Deployment, target: string): Promise<{ tenant: Tenant; at: string }> {
  const tenant = await signUp(fathom);
  await addDocument(fathom, tenant, 'a');
  await untilReplica(fathom, target, tenant.name, ['a']);
  const at = (await nextSecond()).toISOString();
  await addDocument(fathom, tenant, 'b');
  return { tenant, at };
}

describe.skipIf(litestream === null)('a restore to a time', () => {
  it.skipIf(!mayMount)('names a disk that becomes full, and changes nothing', async () => {
    const disk = await scratch();
    await mountTmpfs(disk, 48);
    const filler = join(disk, 'filler');
    const fill = join(await scratch(), 'fill');
    const program = await litestreamWith(`[ -e ${fill} ] && dd if=/dev/zero of=${filler} bs=4k 2>/dev/null`);
    const { fathom, target } = await replicated({
      PB_USER_DBS_PATH: disk,
      LITESTREAM_BINARY_PATH: program,
    });
    await fathom.start();
    const { tenant, at } = await writeAround(fathom, target);
    await writeFile(fill, '');
    await expect(fathom.client.backups.restore(tenant.name, 'latest', { at })).rejects.toMatchObject({
      code: 'backup.failed',
      message: textWith(`${tenant.name} was not restored and is as before`, 'no space left', 'free space'),
    });
    expect(await readdir(join(disk, tenant.name))).not.toContain('restore');
    const titles = async () => (await readAsOwner(fathom, tenant)).map(([title]) => title);
    expect(await titles()).toEqual(['a', 'b']);

    await execa('rm', [filler, fill]);
    await fathom.client.backups.restore(tenant.name, 'latest', { at });
    expect(await titles()).toEqual(['a']);
  });

  it('is ended by the next daemon when its own was killed', async () => {
    const pidFile = join(await scratch(), 'pid');
    const program = await litestreamWith(`[ -e ${pidFile} ] || { echo $$ > ${pidFile}; kill -STOP $$; }`);
    // The helper itself reads replicas with the real one.
    const { fathom, target } = await replicated({ LITESTREAM_BINARY_PATH: program });
    const daemon = await fathom.start();
    await writeFile(pidFile, '');
    const { tenant, at } = await writeAround(fathom, target);
    await execa('rm', [pidFile]);
    const answer = fathom.client.backups.restore(tenant.name, 'latest', { at }).catch(() => null);
    const pid = await until(
      async () => {
        const text = existsSync(pidFile) ? (await execa('cat', [pidFile])).stdout : '';
        return processStat(Number(text))?.state === 'T' ? Number(text) : null;
      },
      { what: 'a restore' },
    );
    daemon.signal('SIGKILL');
    await Promise.all([daemon.exited, answer]);
    expect(processStat(pid)?.state).toBe('T');

    await fathom.start();
    expect(processStat(pid)?.zombie ?? true).toBe(true);
    await untilRunning(fathom, tenant.name);
    expect(await readdir(join(fathom.dataDir, 'user_dbs', tenant.name))).not.toContain('restore');
    expect(titlesOf(fathom, tenant)).toEqual(['a', 'b']);
    await fathom.client.backups.restore(tenant.name, 'latest', { at });
    expect(titlesOf(fathom, tenant)).toEqual(['a']);
  });
});
