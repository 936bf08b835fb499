import {
  type DeletedDatabase,
  eraseDatabase,
  listTrash,
  undeleteDatabase,
} from '../../../shared/api/trash.ts';
import { requireCaller, seesAll } from '../../http/caller.ts';
import { redactInstance } from '../../http/redact.ts';
import { type Api, serve, slicePage } from '../../http/serve.ts';
import type { DatabaseTrash } from './trash.ts';

export interface TrashRoutesDeps {
  trash: DatabaseTrash;
  /** Deleted databases, and those whose backups are not erased yet. */
  listDeleted: () => DeletedDatabase[];
}

/** Registers the routes of deleted databases. */
export function trashRoutes(app: Api, { trash, listDeleted }: TrashRoutesDeps): void {
  serve(app, listTrash, (request) => {
    const caller = requireCaller(request);
    const all = seesAll(caller, 'databases.read');
    const own = caller.kind === 'local' ? null : caller.userId;
    const visible = listDeleted().filter(({ user_id }) => all || (own !== null && user_id === own));
    return slicePage(
      visible.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      request.query,
    );
  });

  serve(app, undeleteDatabase, async (request) =>
    redactInstance(request.caller, await trash.undelete(request.params.name)),
  );

  serve(app, eraseDatabase, async (request) => {
    await trash.erase(request.params.name);
  });
}
