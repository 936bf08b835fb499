import { useCallback, useEffect } from 'react';
import type { Session } from '../../shared/api/accounts/auth.ts';
import type { Collection } from '../../shared/api/databases.ts';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import type { InstancePhase } from '../../shared/instance.ts';
import { NoDatabase } from '../database/no-database.tsx';
import type { LiveState } from '../live/live-database.ts';
import { useServices } from '../services.ts';
import { useDatabaseName, useView } from '../view.ts';
import { decodedPart, pageNumberOf } from '../widgets/pages.tsx';
import { Problem } from '../widgets/problem.tsx';
import { Screen } from '../widgets/screen.tsx';
import { useLoad } from '../widgets/use-load.ts';
import { countOf } from './count.ts';
import { RecordList } from './record-list.tsx';

const MOST_COLLECTIONS = 500;
interface RecordsScreenProps {
  session: Session;
  live: LiveState;
  /** The name of a collection, the number of a page, the order, and the searched text. */
  parts: readonly string[];
}

/** The collections and records of the own database, to read. */
export function RecordsScreen({ session, live, parts }: RecordsScreenProps) {
  const name = useDatabaseName(live);
  const title = useTitle();
  if (name !== null)
    return <Records key={name} name={name} phase={live.instance?.phase ?? null} parts={parts} />;
  return (
    <Screen title={title}>
      <NoDatabase session={session} />
    </Screen>
  );
}

interface RecordsProps {
  name: string;
  phase: InstancePhase | null;
  parts: readonly string[];
}

function Records({ name, phase, parts: [chosen, page, sort = '', search = ''] }: RecordsProps) {
  const { client } = useServices();
  const title = useTitle();
  const load = useCallback(
    (options: CallOptions) => client.databases.collections(name, { per_page: MOST_COLLECTIONS }, options),
    [client, name],
  );
  const { data, error, reload } = useLoad(load);
  const isFailed = error !== null;
  useEffect(() => {
    if (phase === 'running' && isFailed) reload();
  }, [phase, isFailed, reload]);

  const collection = data?.items.find((candidate) => candidate.name === chosen);
  const number = pageNumberOf(page);
  if (collection !== undefined && number !== null)
    return (
      <RecordList
        key={`${collection.name} ${sort} ${search}`}
        database={name}
        collection={collection}
        page={number}
        choice={{ sort, search: decodedPart(search) }}
      />
    );
  return (
    <Screen title={title}>
      {data === null && !isFailed && (
        <p role="status">{phase === 'asleep' || phase === 'waking' ? 'Waking the database…' : 'Loading…'}</p>
      )}
      {isFailed && <Unreadable error={error} />}
      {data !== null && chosen !== undefined && <p>There is no such collection, or no such page.</p>}
      {data !== null && <Collections items={data.items} />}
    </Screen>
  );
}

function useTitle(): string {
  return useView().isOwn ? 'My records' : 'Records';
}

function Unreadable({ error }: { error: unknown }) {
  const { prefix, isOwn } = useView();
  return (
    <>
      <Problem error={error} />
      <p>
        <a href={`${prefix}/`}>{isOwn ? 'My database' : 'Database'}</a> shows the state of the database.
      </p>
    </>
  );
}

function Collections({ items }: { items: readonly Collection[] }) {
  const { isOwn, prefix } = useView();
  return (
    <>
      {isOwn && (
        <p>
          What is stored in your database, to read. To change records, use a client of PocketBase: see{' '}
          <a href="#/quick-start">quick start</a>.
        </p>
      )}
      {items.length === 0 && <p>The database has no collections yet.</p>}
      <ul className="list">
        {items.map(({ name, type, records }) => (
          <li key={name}>
            <p>
              <a href={`${prefix}/records/${name}`}>{name}</a>{' '}
              <span className="hint">{hintOf(type, records)}</span>
            </p>
          </li>
        ))}
      </ul>
    </>
  );
}

function hintOf(type: string, records: number | null): string {
  const count = records === null ? 'not counted' : countOf(records);
  return type === 'base' ? count : `${count}, ${type === 'auth' ? 'accounts' : type}`;
}
