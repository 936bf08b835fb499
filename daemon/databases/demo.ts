import { randomBytes } from 'node:crypto';
import { FathomError } from '../../shared/errors.ts';
import type { Logger } from '../base/log.ts';
import type { ControlPlaneClient } from '../control-plane/client.ts';
import type { UserRepository } from '../control-plane/users.ts';
import type { Provisioner } from './provisioner.ts';

const PEOPLE = ['ada@example.com', 'grace@example.com', 'linus@example.com'];

/** Three users with their databases and a handful of tasks, so that a newcomer sees the fleet alive. Only once. */
export async function seedDemo(deps: {
  users: UserRepository;
  provisioner: Provisioner;
  controlPlane: ControlPlaneClient;
  /** Of the daemon, where the demo's webhook goes. */
  apiUrl: string;
  log: Logger;
}): Promise<void> {
  const created = [];
  for (const email of PEOPLE) {
    try {
      // Nobody signs in as these, so nobody has to know their passwords.
      created.push(await deps.users.create({ email, password: randomBytes(24).toString('base64url') }));
    } catch (error) {
      if (!(error instanceof FathomError) || error.code !== 'auth.email_taken') throw error;
    }
  }
  await Promise.all(created.map((user) => deps.provisioner.ensure(user)));
  const tasks = created.flatMap((user) => [
    { type: 'database.provision', user: user.id },
    { type: 'database.vacuum', user: user.id },
  ]);
  if (tasks.length === 0) return;
  const webhook = { type: 'http.request', payload: { method: 'GET', url: `${deps.apiUrl}/health` } };
  for (const task of [...tasks, webhook]) {
    await deps.controlPlane.call((client) =>
      client
        .collection('global_queue')
        .create({ payload: {}, status: 'pending', max_attempts: 5, timeout_s: 60, ...task }),
    );
  }
  deps.log.info({ users: created.length, tasks: tasks.length + 1 }, 'made the demo data');
}
