import { useCallback } from 'react';
import type { User } from '../../shared/api/accounts/users.ts';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import { useServices } from '../services.ts';
import { Field } from '../widgets/field.tsx';
import { Form } from '../widgets/form.tsx';
import { decodedPart, Pages, pageNumberOf } from '../widgets/pages.tsx';
import { Problem } from '../widgets/problem.tsx';
import { Screen } from '../widgets/screen.tsx';
import { Time } from '../widgets/time.tsx';
import { useLoad } from '../widgets/use-load.ts';

const PER_PAGE = 20;

/** The users whose pages an administrator can look at. @param parts the searched text and the number of a page */
export function UsersScreen({ parts: [encoded = '', part] }: { parts: readonly string[] }) {
  const { client } = useServices();
  const search = decodedPart(encoded);
  const page = pageNumberOf(part) ?? 1;
  const load = useCallback(
    async (options: CallOptions) => ({
      ...(await client.users.list(
        { role: 'user', sort: 'email', page, per_page: PER_PAGE, search: search === '' ? undefined : search },
        options,
      )),
      search,
    }),
    [client, search, page],
  );
  const { data, error } = useLoad(load);
  // A reload keeps the former page until the next one is here.
  const shown = data?.page === page && data.search === search ? data : null;
  return (
    <Screen title={page === 1 ? 'Users' : `Users, page ${page}`}>
      <p>
        Look at the pages of a user, to help. You can read everything there, and change nothing: this session
        can only read. To change something, use the console or <code>fathomd</code>.
      </p>
      <Form
        key={search}
        button="Search"
        onSubmit={async ({ search: text = '' }) => {
          location.hash = addressOf(text.trim(), 1);
          await Promise.resolve();
        }}
      >
        <Field
          label="Part of the e-mail address or name"
          name="search"
          type="search"
          maxLength={100}
          defaultValue={search}
          required={false}
          autoComplete="off"
        />
      </Form>
      {error !== null && <Problem error={error} />}
      {shown === null && error === null && <p role="status">Loading…</p>}
      {shown !== null && (
        <>
          <p role="status">
            {shown.total.toLocaleString()} {shown.total === 1 ? 'user' : 'users'}
          </p>
          <ul className="list">
            {shown.items.map((user) => (
              <li key={user.id}>
                <UserItem user={user} />
              </li>
            ))}
          </ul>
          <Pages
            page={page}
            last={Math.max(1, Math.ceil(shown.total / PER_PAGE))}
            to={(number) => addressOf(search, number)}
          />
        </>
      )}
    </Screen>
  );
}

function UserItem({ user: { id, email, name, database, is_active, erase_at } }: { user: User }) {
  return (
    <>
      <p>
        <a href={`#/users/${id}`}>{email}</a> {name !== '' && <bdi>{name}</bdi>}
      </p>
      <p className="hint">
        {database === null ? 'no database' : <code>{database}</code>}
        {!is_active && ', not active'}
        {erase_at !== null && ', deleted, erased at '}
        {erase_at !== null && <Time at={erase_at} />}
      </p>
    </>
  );
}

function addressOf(search: string, page: number): string {
  return `#/find/${encodeURIComponent(search)}/${page}`;
}
