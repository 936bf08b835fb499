import { createDeployment } from '../../test/helpers/deployment.ts';
import { until } from '../../test/helpers/until.ts';
import { type BareInstance, bareBoot, userInstance } from '../bare-pocketbase.ts';
import { type Database, FleetUsers } from '../fleet-user.ts';
import { median, report } from '../measure.ts';

const DATABASES = 100;
const PARALLEL = 4;
const ROUNDS = 5;

/** All databases of a fleet, against a bare loop over the same directories. */
export async function benchFleetStart(): Promise<boolean> {
  const fathom = await createDeployment({}, { ports: DATABASES * 2 });
  try {
    const first = await fathom.start();
    const databases = await new FleetUsers(fathom).provisionMany(DATABASES);
    await first.stop();

    const key = Buffer.from(fathom.env['PB_ENCRYPTION_KEY'] ?? '', 'base64');
    const bareStart = ({ name, port }: Database) => {
      const { args, environment } = userInstance(fathom.dataDir, name, key);
      return bareBoot(port, args, environment);
    };

    const ours: number[] = [];
    const bare: number[] = [];
    const whole: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      bare.push(await bareLoop(databases, bareStart));

      const before = performance.now();
      const daemon = await fathom.start();
      const instances = await until(
        async () => {
          const { items } = await fathom.client.databases.list({ per_page: 500 });
          const users = items.filter(({ kind }) => kind === 'user');
          return users.length === DATABASES && users.every(({ phase }) => phase === 'running') ? users : null;
        },
        { timeoutMs: 60_000, what: 'all databases to run' },
      );
      whole.push((performance.now() - before) / 1000);
      const begin = Math.min(...instances.map(({ started_at }) => Date.parse(started_at ?? '')));
      const end = Math.max(...instances.map(({ since }) => Date.parse(since)));
      ours.push((end - begin) / 1000);
      await daemon.stop();
    }
    return report({
      name: 'fleet start',
      compares: `${DATABASES} existing databases, first spawn → last healthy / bare loop of ${PARALLEL} parallel starts with the same migrations`,
      value: median(ours) / median(bare),
      bar: 1.15,
      unit: '',
      details: `medians of ${ROUNDS}: ours ${median(ours).toFixed(2)} s, bare ${median(bare).toFixed(2)} s; from launching the daemon itself ${median(whole).toFixed(2)} s`,
    });
  } finally {
    await fathom.dispose();
  }
}

/** Seconds from the first spawn to the last good answer. */
async function bareLoop(
  databases: readonly Database[],
  start: (database: Database) => Promise<BareInstance>,
): Promise<number> {
  const queue = [...databases];
  const running: BareInstance[] = [];
  const started = performance.now();
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) running.push(await start(next));
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  const seconds = (performance.now() - started) / 1000;
  await Promise.all(running.map((instance) => instance.stop()));
  return seconds;
}
