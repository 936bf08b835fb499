import { useCallback, useState } from 'react';
import type { ApiKey } from '../../shared/api/accounts/api-keys.ts';
import type { Session } from '../../shared/api/accounts/auth.ts';
import { PERMISSIONS, type Permission } from '../../shared/api/accounts/permissions.ts';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import { useServices } from '../services.ts';
import { ConfirmButton } from '../widgets/confirm-button.tsx';
import { Copyable } from '../widgets/copyable.tsx';
import { Field } from '../widgets/field.tsx';
import { Form } from '../widgets/form.tsx';
import { Notice } from '../widgets/notice.tsx';
import { Problem } from '../widgets/problem.tsx';
import { Screen } from '../widgets/screen.tsx';
import { Select } from '../widgets/select.tsx';
import { Time } from '../widgets/time.tsx';
import { useLoad } from '../widgets/use-load.ts';

const DAY_MS = 86_400_000;
const SHOWN = 100;

const LIFETIMES = [
  { value: '30', text: '30 days' },
  { value: '90', text: '90 days' },
  { value: '365', text: 'One year' },
  { value: '', text: 'Until it is revoked' },
];

const SCOPES = [
  { value: 'read', text: 'Read only' },
  { value: 'all', text: 'All that you may do' },
];

const READING = (Object.keys(PERMISSIONS) as Permission[]).filter(
  (name) => name.endsWith('.read') && PERMISSIONS[name].user === 'own',
);

export function KeysScreen({ session }: { session: Session }) {
  const { client, store } = useServices();
  const userId = session.user.id;
  const load = useCallback(
    (options: CallOptions) => client.apiKeys.list({ user_id: userId, per_page: SHOWN }, options),
    [client, userId],
  );
  const { data, error, reload } = useLoad(load);
  const [made, setMade] = useState<string | null>(null);

  const create = async ({ name = '', days = '', scope = '' }: Readonly<Record<string, string>>) => {
    const { key } = await client.apiKeys.add({
      name,
      ...(scope === 'read' ? { permissions: READING } : {}),
      ...(days === '' ? {} : { expires_at: new Date(store.nowMs + Number(days) * DAY_MS).toISOString() }),
    });
    setMade(key);
    reload();
  };

  const revoked = (prefix: string) => {
    if (made?.startsWith(`fk_${prefix}`)) setMade(null);
    reload();
  };

  return (
    <Screen title="API keys">
      <p>
        A key lets a program use the API of Fathom in your name: to watch your database, or to make backups.
        For your data, use the token of the <a href="#/quick-start">quick start</a>.
      </p>
      {session.user.role !== 'user' && (
        <p>Keys that you create here can only read. For others, use the console or the command.</p>
      )}
      {made !== null && (
        <Notice kind="done">
          <p>This is your key. Copy it now: it is not shown again.</p>
          <Copyable what="key">{made}</Copyable>
        </Notice>
      )}
      <section aria-labelledby="new-key">
        <h2 id="new-key">New key</h2>
        <Form button="Create the key" onSubmit={create}>
          <Field label="Name" name="name" maxLength={120} hint="What the key is for." autoComplete="off" />
          <Select label="Permissions" name="scope" options={SCOPES} />
          <Select label="Valid for" name="days" options={LIFETIMES} />
        </Form>
      </section>
      {error !== null && <Problem error={error} />}
      {data !== null && <Keys items={data.items} onRevoked={revoked} />}
    </Screen>
  );
}

function Keys({ items, onRevoked }: { items: readonly ApiKey[]; onRevoked: (prefix: string) => void }) {
  const { client } = useServices();
  if (items.length === 0) return <p>You have no keys.</p>;
  return (
    <section aria-labelledby="keys">
      <h2 id="keys">Your keys</h2>
      <ul className="list">
        {items.map(({ id, name, prefix, created, expires_at, last_used_at }) => (
          <li key={id}>
            <p>
              <strong>{name}</strong> <code>fk_{prefix}…</code>
            </p>
            <p className="hint">
              Created <Time at={created} />, {last_used_at === null ? 'not used yet' : 'last used '}
              {last_used_at !== null && <Time at={last_used_at} />},{' '}
              {expires_at === null ? 'does not expire' : 'expires '}
              {expires_at !== null && <Time at={expires_at} />}
            </p>
            <ConfirmButton
              label={`Revoke the key ${name}`}
              question={`Revoke the key “${name}”?`}
              explanation="Programs that use it are refused at once, and so are keys that it made."
              confirm="Revoke the key"
              onConfirm={async () => {
                await client.apiKeys.revoke(id);
                onRevoked(prefix);
              }}
            >
              Revoke
            </ConfirmButton>
          </li>
        ))}
      </ul>
    </section>
  );
}
