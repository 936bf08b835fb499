import { z } from 'zod';
import { work } from '../../../shared/api/work/endpoints.ts';
import { FathomError } from '../../../shared/errors.ts';
import { WORK_ACTIONS, WORK_ENTITIES, type WorkEntity, type WorkEvent } from '../../../shared/work/events.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { readAnswer } from '../answers.ts';
import type { AwakeDatabase } from '../own-database.ts';
import { OwnerHttp } from '../owner-http.ts';

/** Connections of all readers to one database. */
const MAX_OPEN = 4;

const LOG = '/api/collections/pm_activity_log/records';
const FIELDS = 'id,entity_type,entity_id,project,actor,actor_kind,action,changes,created';

/** Also rows of entities without events, such as members. */
const rowSchema = z.object({
  id: z.string(),
  entity_type: z.string(),
  entity_id: z.string(),
  project: z.string(),
  actor: z.string(),
  actor_kind: z.enum(['owner', 'member', 'superuser', 'system']),
  action: z.string(),
  changes: z.record(z.string(), z.unknown()).nullable(),
  created: z.string().transform(Date.parse).pipe(z.int()),
});

const pageSchema = z.object({ items: z.array(rowSchema) });

/** A row of the activity log of a database. */
export type ActivityRow = z.infer<typeof rowSchema>;

/** Columns that have another name in answers. */
const NAMES: Readonly<Record<string, string>> = {
  parent: 'parent_id',
  work_item: 'work_item_id',
  superseded_by: 'superseded_by_id',
};

const READS = {
  work_item: work.getWorkItem,
  sprint: work.getSprint,
  comment: work.getComment,
  time_entry: work.getTimeEntry,
  dependency: work.getDependency,
  llm_context: work.getLlmContext,
} as const;

/** Reads the changes of a database with the rights of its owner. It wakes no database. */
export class ActivityReader implements Disposable {
  readonly #http: OwnerHttp;

  constructor(deps: { clock: Clock; log: Logger }) {
    this.#http = new OwnerHttp(deps, MAX_OPEN);
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }

  /** The latest rows, the latest first. @param limit at most 500 */
  async latest(database: AwakeDatabase, limit: number): Promise<ActivityRow[]> {
    const query = { sort: '-@rowid', perPage: String(limit), skipTotal: '1', fields: FIELDS };
    const { items } = await this.#get(database, LOG, pageSchema, query);
    if (items.length > 0) return items;
    // PocketBase also answers a token that has ended with an empty list. Routes of the application refuse it, and it is renewed.
    const { path, responses } = work.listProjects;
    await this.#get(database, path, responses[200].schema, { per_page: '1' });
    return (await this.#get(database, LOG, pageSchema, query)).items;
  }

  /** @throws FathomError `not_found` */
  async requireProject(database: AwakeDatabase, id: string): Promise<void> {
    const { path, responses } = work.getProject;
    await this.#get(database, pathOf(path, id), responses[200].schema);
  }

  /** The event of a row; null for one that has none. */
  async eventOf(database: AwakeDatabase, row: ActivityRow): Promise<WorkEvent | null> {
    const entity = WORK_ENTITIES.find((one) => one === row.entity_type);
    const action = WORK_ACTIONS.find((one) => one === row.action);
    if (entity === undefined || action === undefined) return null;
    const changed = action === 'updated' ? Object.keys(row.changes ?? {}) : [];
    return {
      kind: `${entity}.${action}`,
      id: row.entity_id,
      project_id: row.project,
      changed: changed.map((name) => NAMES[name] ?? name).toSorted(),
      actor_id: row.actor || null,
      actor_kind: row.actor_kind,
      at: row.created,
      data: action === 'deleted' ? null : await this.#read(database, entity, row),
    } as WorkEvent;
  }

  /** The entity of a row as the API shows it; null when it has been deleted since. */
  async #read(database: AwakeDatabase, entity: WorkEntity, { entity_id, project }: ActivityRow) {
    try {
      if (entity === 'swim_lane') {
        const { path, responses } = work.listSwimLanes;
        const page = await this.#get(database, pathOf(path, project), responses[200].schema, {
          per_page: '200',
        });
        return page.items.find(({ id }) => id === entity_id) ?? null;
      }
      const { path, responses } = READS[entity];
      return await this.#get(database, pathOf(path, entity_id), responses[200].schema as z.ZodType);
    } catch (error) {
      if (error instanceof FathomError && error.code === 'not_found') return null;
      throw error;
    }
  }

  async #get<S extends z.ZodType>(
    database: AwakeDatabase,
    path: string,
    schema: S,
    query: Record<string, string> = {},
  ): Promise<z.output<S>> {
    const search = new URLSearchParams(query).toString();
    const answer = await this.#http.send(database, {
      method: 'GET',
      path: search === '' ? path : `${path}?${search}`,
      headers: {},
      body: null,
      signal: null,
    });
    return readAnswer<z.ZodType>(answer, { path, schema }, database.entry) as z.output<S>;
  }
}

function pathOf(path: string, id: string): string {
  return path.replace('{id}', encodeURIComponent(id));
}
