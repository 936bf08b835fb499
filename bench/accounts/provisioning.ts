import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import { createDeployment } from '../../test/helpers/deployment.ts';
import { freePortRange } from '../../test/helpers/free-ports.ts';
import { answers, bareBoot } from '../bare-pocketbase.ts';
import { FleetUsers } from '../fleet-user.ts';
import { median, ms, report } from '../measure.ts';

const ROUNDS = 25;

/** From a user's record to the first good answer of its own migrated instance, against a bare first boot. */
export async function benchProvisioning(): Promise<boolean> {
  const scratch = await mkdtemp(join(tmpdir(), 'fathom-bench-'));
  const fathom = await createDeployment({}, { ports: 100 });
  try {
    await fathom.start();
    const users = new FleetUsers(fathom);
    // The template is made once per release, not once per user.
    await users.provision(await users.create());
    const port = await freePortRange(1);

    const ours: number[] = [];
    const bare: number[] = [];
    const register: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const first = await bareBoot(port, [`--dir=${join(scratch, `bare-${round}`)}`]);
      bare.push(first.tookMs);
      await first.stop();

      const user = await users.create();
      const started = performance.now();
      const database = await users.provision(user);
      if (!(await answers(database.port))) throw new Error(`${database.name} does not answer`);
      ours.push(performance.now() - started);
      assertOwner(join(fathom.dataDir, 'user_dbs', database.name, 'pb_data', 'data.db'), user.user_id);

      const before = performance.now();
      const response = await fetch(`${fathom.url}/api/v1/auth/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email: `registered${round}@example.com`, password: 'a-good-password' }),
      });
      if (response.status !== 201) throw new Error(await response.text());
      register.push(performance.now() - before);
    }
    return report({
      name: 'provisioning',
      compares:
        'user record → first healthy answer of its migrated instance with its owner in it / bare first boot',
      value: median(ours) / median(bare),
      bar: 0.8,
      unit: '',
      details: `medians of ${ROUNDS}: ours ${ms(median(ours))}, bare first boot ${ms(median(bare))}; whole register call ${ms(median(register))}`,
    });
  } finally {
    await fathom.dispose();
    await rm(scratch, { recursive: true, force: true });
  }
}

function assertOwner(path: string, userId: string): void {
  const owner = withDatabase(path, { readOnly: true }, (database) =>
    database.prepare('SELECT id FROM users WHERE id = ?').get(userId),
  );
  if (!owner) throw new Error(`${path} has no owner`);
}
