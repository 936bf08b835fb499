import type { Page, PageRequest } from '../../../shared/api/contract/page.ts';
import type { Task, TaskSummary } from '../../../shared/api/queue.ts';
import type { ApiKeyRepository } from '../../accounts/sessions/api-key-repository.ts';
import type { SessionRepository } from '../../accounts/sessions/session-repository.ts';
import type { UserRepository } from '../../accounts/user-repository.ts';
import type { AuditRepository } from '../../audit/audit-repository.ts';
import { type ArchivedFile, textFile } from './archive.ts';

export interface AccountFilesDeps {
  users: Pick<UserRepository, 'get'>;
  sessionRepository: Pick<SessionRepository, 'list'>;
  apiKeyRepository: Pick<ApiKeyRepository, 'list'>;
  auditRepository: Pick<AuditRepository, 'list'>;
  tasks: {
    list: (query: PageRequest & { user_id: string }) => Promise<Page<TaskSummary>>;
    get: (id: string) => Promise<Task>;
  };
}

/** Items of a file. Each file is in memory while it is sent. */
const PER_FILE = 200;

/** What the control plane stores of a user, as JSON files. API keys and sessions have no secrets in it. */
export async function* accountFiles(
  userId: string,
  now: Date,
  { users, sessionRepository, apiKeyRepository, auditRepository, tasks }: AccountFilesDeps,
): AsyncGenerator<ArchivedFile> {
  const json = (path: string, value: unknown) => textFile(path, `${JSON.stringify(value, null, 2)}\n`, now);
  yield json('account.json', await users.get(userId));
  const lists: Readonly<Record<string, (page: PageRequest) => Promise<Page<unknown>>>> = {
    sessions: (page) => sessionRepository.list(userId, page),
    'api-keys': (page) => apiKeyRepository.list(userId, page),
    tasks: async (page) => {
      const found = await tasks.list({ ...page, user_id: userId });
      const items: Task[] = [];
      // The answers of handlers are for administrators.
      for (const { id } of found.items) items.push({ ...(await tasks.get(id)), answer: null });
      return { ...found, items };
    },
    audit: (page) => auditRepository.list({ ...page, actor: userId }),
  };
  for (const [name, read] of Object.entries(lists)) {
    for (let page = 1; ; page += 1) {
      const { items, total } = await read({ page, per_page: PER_FILE });
      if (items.length > 0 || page === 1) yield json(`${name}-${String(page).padStart(4, '0')}.json`, items);
      if (items.length === 0 || page * PER_FILE >= total) break;
    }
  }
}
