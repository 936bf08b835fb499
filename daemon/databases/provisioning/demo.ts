import { randomBytes } from 'node:crypto';
import type { NewTask } from '../../../shared/api/queue.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { connectAddress } from '../../../shared/host.ts';
import type { User, UserRepository } from '../../accounts/user-repository.ts';
import type { AuditTrail } from '../../audit/audit-trail.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import { withApplication } from '../applications/choice.ts';
import type { CatalogEntry } from '../catalog.ts';
import type { DatabaseRepository } from '../database-repository.ts';
import { signOwnerToken } from '../owner/owner-access.ts';
import { type SendToOwn, seedProject } from './demo-project.ts';
import type { Provisioner } from './provisioner.ts';

const EMAILS = ['ada@example.com', 'grace@example.com', 'linus@example.com'];

/** The application of the demo. */
const WORK_ITEMS = 'work-items';
/** A database can wake, and build its template. */
const REQUEST_TIMEOUT_MS = 30_000;

/** Creates three users with databases, a project and some tasks, to show a fleet with data. Does nothing when they exist. */
export async function seedDemo(deps: {
  users: UserRepository;
  provisioner: Provisioner;
  databaseRepository: Pick<DatabaseRepository, 'reserve'>;
  clock: Clock;
  addTask: (task: NewTask) => Promise<unknown>;
  audit: AuditTrail;
  /** URL of the daemon, the target of the demo's webhook. */
  apiUrl: string;
  log: Logger;
}): Promise<void> {
  const created: User[] = [];
  for (const email of EMAILS) {
    try {
      // The demo does not sign in as them, so their passwords are random.
      created.push(await deps.users.create({ email, password: randomBytes(24).toString('base64url') }));
    } catch (error) {
      if (error instanceof FathomError && error.code === 'auth.email_taken') continue;
      throw error;
    }
    const detail = JSON.stringify({ by: '--demo' });
    await deps.audit.recordDaemonAction({ action: 'user.create', target: email, outcome: 'ok', detail });
  }
  if (created.length === 0) return;
  const entries = await Promise.all(
    created.map((user) =>
      deps.provisioner.ensure(user, (request) =>
        deps.databaseRepository.reserve({
          ...request,
          applications: withApplication(request.applications, WORK_ITEMS),
        }),
      ),
    ),
  );
  const [first] = entries;
  if (first) await seedFirst(first, deps);
  const tasks: NewTask[] = created.flatMap(({ id: user_id }) => [
    { type: 'database.provision', user_id },
    { type: 'database.vacuum', user_id },
  ]);
  tasks.push({ type: 'http.request', payload: { method: 'GET', url: `${deps.apiUrl}/health` } });
  for (const task of tasks) await deps.addTask(task);
  deps.log.info({ users: created.length, tasks: tasks.length }, 'created the demo data');
}

/** Best effort: the fleet is alive without a project. */
async function seedFirst(
  { row, runner }: CatalogEntry,
  { clock, log }: { clock: Clock; log: Logger },
): Promise<void> {
  try {
    const { spec, state } = runner;
    const token = await signOwnerToken(dataDirOf(spec.directory), row.user, { clock, limit: null });
    const url = `http://${connectAddress(spec.host, state.observed.port ?? row.port)}`;
    const send: SendToOwn = async (path, body) => {
      const response = await fetch(`${url}${path}`, {
        method: 'POST',
        // A database with an open connection does not sleep.
        headers: { authorization: token ?? '', 'content-type': 'application/json', connection: 'close' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      const answer = (await response.json()) as { id: string };
      if (!response.ok) throw new Error(`${path}: ${response.status} ${JSON.stringify(answer)}`);
      return answer;
    };
    await seedProject(send, clock.now().getTime());
  } catch (error) {
    log.warn({ instance: row.name }, `the demo has no project: ${messageOf(error)}`);
  }
}
