import type { Collection } from '../../shared/api/databases.ts';
import { useView } from '../view.ts';
import { Field } from '../widgets/field.tsx';
import { Form } from '../widgets/form.tsx';
import { Select } from '../widgets/select.tsx';

/** Which records are shown, and in which order. */
export interface RecordChoice {
  /** A field, with `-` before it for descending order; empty for the newest first. */
  sort: string;
  /** Empty for all records. */
  search: string;
}

export function addressOfRecords(
  prefix: string,
  collection: string,
  page: number,
  { sort, search }: RecordChoice,
): string {
  const choice = sort === '' && search === '' ? '' : `/${sort}/${encodeURIComponent(search)}`;
  return `${prefix}/records/${collection}/${page}${choice}`;
}

export function ChoiceForm({ collection, choice }: { collection: Collection; choice: RecordChoice }) {
  const { prefix } = useView();
  const { name, type, fields } = collection;
  const orders = fields
    .filter((field) => !field.hidden)
    .flatMap((field) => [
      { value: field.name, text: `${field.name}, ascending` },
      { value: `-${field.name}`, text: `${field.name}, descending` },
    ]);
  const first = { value: '', text: type === 'view' ? 'As they are' : 'The newest first' };
  return (
    <details className="record" open={choice.sort !== '' || choice.search !== ''}>
      <summary>Search and sort</summary>
      <Form
        button="Show"
        onSubmit={({ search = '', sort = '' }) => {
          location.hash = addressOfRecords(prefix, name, 1, { sort, search: search.trim() });
          return Promise.resolve();
        }}
      >
        <Field
          label="Part of a text"
          name="search"
          type="search"
          maxLength={100}
          defaultValue={choice.search}
          required={false}
          autoComplete="off"
        />
        <Select label="Order" name="sort" options={[first, ...orders]} defaultValue={choice.sort} />
      </Form>
    </details>
  );
}
