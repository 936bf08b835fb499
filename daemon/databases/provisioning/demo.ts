import { randomBytes } from 'node:crypto';
import type { NewTask } from '../../../shared/api/queue.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { User, UserRepository } from '../../accounts/user-repository.ts';
import type { AuditTrail } from '../../audit/audit-trail.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Provisioner } from './provisioner.ts';

const EMAILS = ['ada@example.com', 'grace@example.com', 'linus@example.com'];

/** Creates three users with databases and some tasks, to show a fleet with data. Does nothing when they exist. */
export async function seedDemo(deps: {
  users: UserRepository;
  provisioner: Provisioner;
  addTask: (task: NewTask) => Promise<unknown>;
  audit: AuditTrail;
  /** URL of the daemon, the target of the demo's webhook. */
  apiUrl: string;
  log: Logger;
}): Promise<void> {
  const created: User[] = [];
  for (const email of EMAILS) {
    try {
      // These users never sign in, so their passwords are random.
      created.push(await deps.users.create({ email, password: randomBytes(24).toString('base64url') }));
    } catch (error) {
      if (error instanceof FathomError && error.code === 'auth.email_taken') continue;
      throw error;
    }
    const detail = JSON.stringify({ by: '--demo' });
    await deps.audit.recordDaemonAction({ action: 'user.create', target: email, outcome: 'ok', detail });
  }
  if (created.length === 0) return;
  await Promise.all(created.map((user) => deps.provisioner.ensure(user)));
  const tasks: NewTask[] = created.flatMap(({ id: user_id }) => [
    { type: 'database.provision', user_id },
    { type: 'database.vacuum', user_id },
  ]);
  tasks.push({ type: 'http.request', payload: { method: 'GET', url: `${deps.apiUrl}/health` } });
  for (const task of tasks) await deps.addTask(task);
  deps.log.info({ users: created.length, tasks: tasks.length }, 'created the demo data');
}
