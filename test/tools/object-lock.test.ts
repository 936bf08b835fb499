import { expect, it } from 'vitest';
import { openTarget } from '../../daemon/backups/targets/open-target.ts';
import { createDeployment } from '../helpers/deployment.ts';
import { signUp } from '../helpers/fleet-actions.ts';
import { findS3Server, startS3Server } from '../helpers/s3-server.ts';
import { listAll } from '../helpers/target-conformance.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

const ANY = { accessKeyId: 'any', secretAccessKey: 'any' };
const s3 = await findS3Server('object lock of S3');

it.skipIf(s3 === null)(
  'object lock keeps no backup of an erased account readable (skipped without S3)',
  async () => {
    await using server = await startS3Server(s3 ?? '');
    const list = async (bucket: string, prefix: string) =>
      (await server.request(`/${bucket}?versions&prefix=${prefix}`)).text();
    for (const mode of ['lock-days', 'COMPLIANCE', 'GOVERNANCE'] as const) {
      const bucket = mode.toLowerCase();
      await server.createBucket(bucket, { withLock: true });
      if (mode !== 'lock-days') await server.setRetention(bucket, mode, 30);
      const options = mode === 'lock-days' ? '&lock-days=30' : '';
      const fathom = await createDeployment({
        ...server.credentials,
        BACKUP_TARGET: `s3://${bucket}?endpoint=${encodeURIComponent(server.url)}${options}`,
        BACKUP_KEEP: '1h',
      });
      try {
        await fathom.start();
        const { name } = await signUp(fathom);
        for (let round = 0; round < 2; round += 1) await fathom.client.backups.create(name);
        // What is locked is hidden, so the next prune finds nothing more to do.
        expect((await fathom.client.backups.prune(name)).removed).toHaveLength(1);
        expect(await fathom.client.backups.prune(name)).toMatchObject({
          removed: [],
          removed_bytes: 0,
        });

        await fathom.client.databases.delete(name);
        if (mode === 'lock-days') {
          await until(async () => (await fathom.client.trash.all()).length === 0, { what: 'the erasure' });
          expect(await list(bucket, `keys/${name}`)).not.toMatch(/<Version>|<DeleteMarker>/);
        } else {
          const [pending] = await until(
            async () => {
              const all = await fathom.client.trash.all();
              return all[0]?.problem ? all : null;
            },
            { what: 'a refused erasure' },
          );
          expect(pending).toMatchObject({
            name,
            state: 'erasure_pending',
            problem: {
              reason: 'target_denied',
              message: textWith(`keeps keys/${name}.json until`, 'object lock'),
            },
          });
          const days = (Date.parse(pending?.erase_at ?? '') - Date.now()) / 86_400_000;
          expect(days).toBeGreaterThan(29);
          expect((await fathom.client.daemon.status()).trash).toMatchObject({
            databases: 0,
            erasures_pending: 0,
            problem: null,
          });
          expect(await list(bucket, `keys/${name}`)).toContain('<Version>');
        }
        // Nothing of it can be found, and the former versions that stay are encrypted with that key.
        const target = openTarget(fathom.env['BACKUP_TARGET'] ?? '', { s3Credentials: ANY });
        for (const prefix of ['keys/', `manifests/${name}/`, `chunks/${name}/`])
          expect((await listAll(target, prefix)).filter(({ key }) => key.includes(name))).toEqual([]);
        expect(await list(bucket, `chunks/${name}`)).toContain('<Version>');
      } finally {
        await fathom.dispose();
      }
    }
  },
  300_000,
);
