import { useCallback, useEffect, useRef, useState } from 'react';
import type { Session } from '../../shared/api/accounts/auth.ts';
import type { DatabaseBackups, EndedRestore, ListedBackup } from '../../shared/api/backups.ts';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import { FathomError } from '../../shared/errors.ts';
import { formatBytes } from '../database/bytes.ts';
import { NoDatabase } from '../database/no-database.tsx';
import type { LiveState } from '../live/live-database.ts';
import { useServices } from '../services.ts';
import { useDatabaseName, useView } from '../view.ts';
import { ActionButton } from '../widgets/action-button.tsx';
import { ConfirmButton } from '../widgets/confirm-button.tsx';
import { Field } from '../widgets/field.tsx';
import { Notice } from '../widgets/notice.tsx';
import { Problem, sentence } from '../widgets/problem.tsx';
import { Screen } from '../widgets/screen.tsx';
import { Time } from '../widgets/time.tsx';
import { useLoad } from '../widgets/use-load.ts';
import { saveFile } from './save-file.ts';

const SHOWN = 100;
/** While something is in progress. */
const REFRESH_MS = 2_000;
/** Others may begin something: another tab, an administrator, the schedule. */
const IDLE_REFRESH_MS = 15_000;

const STAGES: Readonly<Record<NonNullable<DatabaseBackups['restore']>['stage'], string>> = {
  waiting: 'waits for its turn',
  backing_up: 'backs up the present data first',
  reading: 'reads the backup',
  testing: 'tests the backup',
  exchanging: 'exchanges the data',
  starting: 'starts the database',
};

export function BackupsScreen({ session, live }: { session: Session; live: LiveState }) {
  const name = useDatabaseName(live);
  return (
    <Screen title="Backups">
      {name === null ? <NoDatabase session={session} /> : <Backups key={name} name={name} />}
    </Screen>
  );
}

function Backups({ name }: { name: string }) {
  const { client } = useServices();
  const { isOwn } = useView();
  const [done, setDone] = useState<string | null>(null);
  const load = useCallback(
    (options: CallOptions) => client.backups.ofDatabase(name, { per_page: SHOWN }, options),
    [client, name],
  );
  const { data, error, reload } = useLoad(load);
  const [isWorking, setWorking] = useState(false);
  const work = async (action: () => Promise<string>) => {
    setDone(null);
    setWorking(true);
    try {
      setDone(await action());
      reload();
    } finally {
      setWorking(false);
    }
  };
  const create = async () => {
    const { changed } = await client.backups.create(name, { only_changed: true });
    return changed
      ? 'The backup is made.'
      : 'Nothing has changed since the last backup, so there is no new one.';
  };
  return (
    <>
      <p>
        A backup holds all records and files of the database. The server makes them automatically, as it is
        set up.
      </p>
      <Status name={name} isWorking={isWorking} onChange={reload} />
      {done !== null && <Notice kind="done">{done}</Notice>}
      {isOwn && (
        <div className="actions">
          <ActionButton onClick={() => work(create)}>Back up now</ActionButton>
        </div>
      )}
      {error !== null && <Problem error={error} />}
      {data?.items.length === 0 && <p>There are no backups yet.</p>}
      <ul className="list">
        {data?.items.map((backup) => (
          <Backup key={backup.id} name={name} backup={backup} work={work} />
        ))}
      </ul>
    </>
  );
}

interface BackupProps {
  name: string;
  backup: ListedBackup;
  /** Runs an action and shows the text that it returns. */
  work: (action: () => Promise<string>) => Promise<void>;
}

function Backup({ name, backup: { id, created_at, bytes, damaged }, work }: BackupProps) {
  const { client } = useServices();
  const { isOwn } = useView();
  const at = new Date(created_at).toLocaleString();
  if (damaged)
    return (
      <li>
        <Time at={created_at} />: damaged. It cannot be restored.
      </li>
    );
  const restore = async ({ name: typed = '' }: Readonly<Record<string, string>>) => {
    if (typed.trim() !== name) {
      const fields = [{ path: 'name', message: 'is not the name of the database' }];
      throw new FathomError('request.invalid', 'the name is wrong', { fields });
    }
    await work(async () => {
      await client.backups.restore(name, id);
      return `The database is as it was at ${at}. Your password did not change. All sessions in the database ended: users sign in again, and programs need a new token.`;
    });
  };
  return (
    <li>
      <p>
        <strong>
          <Time at={created_at} />
        </strong>{' '}
        {formatBytes(bytes)}
      </p>
      {isOwn && (
        <div className="actions">
          <ActionButton
            kind="quiet"
            label={`Download the backup of ${at}`}
            onClick={async () => saveFile(await client.exports.backup(name, id), `${name}-${id}.tar`)}
          >
            Download
          </ActionButton>
          <ConfirmButton
            label={`Restore the backup of ${at}`}
            question="Restore this backup?"
            explanation={
              <>
                <p>
                  All records and files of now are replaced by those of {at}. Changes since then are lost for
                  you; an administrator can still reach them for some time.
                </p>
                <p>
                  The name of the database is <code>{name}</code>
                </p>
              </>
            }
            confirm="Restore the backup"
            fields={
              <Field
                label="Type the name of the database"
                name="name"
                autoComplete="off"
                spellCheck={false}
              />
            }
            onConfirm={restore}
          >
            Restore…
          </ConfirmButton>
        </div>
      )}
    </li>
  );
}

interface StatusProps {
  name: string;
  isWorking: boolean;
  /** There is another backup, or a restore has ended. */
  onChange: () => void;
}

/** The last backup, and what is in progress. */
function Status({ name, isWorking, onChange }: StatusProps) {
  const { client } = useServices();
  const load = useCallback(
    (options: CallOptions) => client.backups.list({ database: name }, options),
    [client, name],
  );
  const { data, reload } = useLoad(load);
  const status = data?.items[0];
  const isBusy = isWorking || status?.running === true || (status?.restore ?? null) !== null;
  useEffect(() => {
    const timer = setInterval(reload, isBusy ? REFRESH_MS : IDLE_REFRESH_MS);
    return () => {
      clearInterval(timer);
      if (isBusy) reload();
    };
  }, [isBusy, reload]);
  const ended = status && `${status.last?.id} ${status.last_restore?.ended_at}`;
  const former = useRef(ended);
  useEffect(() => {
    if (former.current !== undefined && former.current !== ended) onChange();
    former.current = ended;
  }, [ended, onChange]);
  if (status === undefined) return null;
  const { running, restore, last_restore, failure, confirmed_at, late } = status;
  return (
    <div role="status">
      {restore !== null && <p>A restore is in progress: it {STAGES[restore.stage]}.</p>}
      {restore === null && last_restore !== null && <Ended restore={last_restore} />}
      {running && <p>A backup is in progress.</p>}
      {failure !== null && <p className="error">The last backup failed. An administrator sees the cause.</p>}
      {late && <p className="error">The next backup is late.</p>}
      {confirmed_at !== null && (
        <p>
          Backed up as of <Time at={confirmed_at} />
        </p>
      )}
    </div>
  );
}

/** Also for a tab that was loaded again meanwhile. */
function Ended({ restore: { ended_at, problem } }: { restore: EndedRestore }) {
  if (problem === null)
    return (
      <p>
        Restored: <Time at={ended_at} />
      </p>
    );
  return (
    <p className="error">
      The restore of <Time at={ended_at} /> failed: {sentence(problem.detail)}
    </p>
  );
}
