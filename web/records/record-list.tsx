import { Fragment, useCallback, useState } from 'react';
import type { Collection, DatabaseRecord } from '../../shared/api/databases.ts';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import { FathomError } from '../../shared/errors.ts';
import { useServices } from '../services.ts';
import { useView } from '../view.ts';
import { Pages } from '../widgets/pages.tsx';
import { Problem } from '../widgets/problem.tsx';
import { Screen } from '../widgets/screen.tsx';
import { useLoad } from '../widgets/use-load.ts';
import { countOf } from './count.ts';
import { addressOfRecords, ChoiceForm, type RecordChoice } from './record-choice.tsx';
import { Value } from './value.tsx';
import { previewOf } from './value-text.ts';

const PER_PAGE = 20;

interface RecordListProps {
  database: string;
  collection: Collection;
  page: number;
  choice: RecordChoice;
}

/** One page of the records of a collection. */
export function RecordList({ database, collection, page, choice }: RecordListProps) {
  const { name, type, fields } = collection;
  const { sort, search } = choice;
  const { client } = useServices();
  const { prefix } = useView();
  const [perPage, setPerPage] = useState(PER_PAGE);
  const load = useCallback(
    (options: CallOptions) => {
      const query = { page, per_page: perPage, sort: sort || undefined, search: search || undefined };
      return client.databases.records(database, name, query, options);
    },
    [client, database, name, page, perPage, sort, search],
  );
  const { data, error } = useLoad(load);
  // A reload keeps the former page until the next one is here.
  const shown = data?.page === page && data.per_page === perPage ? data : null;
  const to = (number: number) => addressOfRecords(prefix, name, number, choice);
  const showFewer = () => {
    setPerPage(1);
    location.hash = to(1);
  };
  return (
    <Screen title={page === 1 ? `Records of ${name}` : `Records of ${name}, page ${page}`}>
      <p>
        <a href={`${prefix}/records`}>All collections</a>
      </p>
      <ChoiceForm collection={collection} choice={choice} />
      {error !== null && <Problem error={error} />}
      {isTooLarge(error) && perPage > 1 && (
        <div className="actions">
          <button type="button" onClick={showFewer}>
            Show one record at a time
          </button>
        </div>
      )}
      {shown === null && error === null && <p role="status">Loading…</p>}
      {shown !== null && (
        <>
          <p>
            {countOf(shown.total)}
            {type !== 'view' && sort === '' && shown.total > 1 && ', the newest first'}
          </p>
          {shown.items.length === 0 && shown.total > 0 && <p>There are none on this page.</p>}
          <ul className="list">
            {shown.items.map((record, index) => (
              <li key={idOf(record) || index}>
                <Record record={record} fields={fields} />
              </li>
            ))}
          </ul>
          <Pages page={page} last={Math.max(1, Math.ceil(shown.total / perPage))} to={to} />
        </>
      )}
    </Screen>
  );
}

function isTooLarge(error: unknown): boolean {
  return error instanceof FathomError && error.fields.some(({ path }) => path === 'per_page');
}

function idOf({ id }: DatabaseRecord): string {
  return typeof id === 'string' ? id : '';
}

function Record({ record, fields }: { record: DatabaseRecord; fields: Collection['fields'] }) {
  const preview = previewOf(record, fields);
  return (
    <details className="record">
      <summary>
        <code>{idOf(record)}</code>{' '}
        {preview.map(({ name, text }, index) => (
          <Fragment key={name}>
            {index > 0 && ' · '}
            <bdi>{text}</bdi>
          </Fragment>
        ))}
      </summary>
      <dl>
        {fields
          .filter(({ name }) => Object.hasOwn(record, name))
          .map(({ name, type }) => (
            <div key={name}>
              <dt>
                {name} ({type})
              </dt>
              <dd>
                <Value value={record[name]} type={type} />
              </dd>
            </div>
          ))}
      </dl>
    </details>
  );
}
