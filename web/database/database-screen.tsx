import type { Session } from '../../shared/api/accounts/auth.ts';
import type { Instance } from '../../shared/api/instances.ts';
import type { LiveState } from '../live/live-database.ts';
import { useServices } from '../services.ts';
import { useView } from '../view.ts';
import { ActionButton } from '../widgets/action-button.tsx';
import { Copyable } from '../widgets/copyable.tsx';
import { Notice } from '../widgets/notice.tsx';
import { sentence } from '../widgets/problem.tsx';
import { Screen } from '../widgets/screen.tsx';
import { Time } from '../widgets/time.tsx';
import { Dashboard } from './dashboard.tsx';
import { NoDatabase } from './no-database.tsx';
import { explainPhase } from './phase-text.ts';
import { Usage } from './usage.tsx';

export function DatabaseScreen({ session, live: { link, instance } }: { session: Session; live: LiveState }) {
  const { isOwn } = useView();
  return (
    <Screen title={isOwn ? 'My database' : 'Database'}>
      {link === 'lost' && (
        <Notice kind="info">
          The connection is lost. The page connects again; what it shows may be old.
        </Notice>
      )}
      {instance !== null && <Database instance={instance} />}
      {instance === null && link === 'connecting' && <p role="status">Loading…</p>}
      {instance === null && link !== 'connecting' && <NoDatabase session={session} />}
    </Screen>
  );
}

function Database({ instance }: { instance: Instance }) {
  const { name, url, phase, access } = instance;
  const { isOwn } = useView();
  return (
    <>
      <section aria-labelledby="state">
        <h2 id="state">State</h2>
        <Phase instance={instance} />
        {isOwn && <Actions instance={instance} />}
      </section>
      <section aria-labelledby="address">
        <h2 id="address">Address</h2>
        <dl>
          <dt>Name</dt>
          <dd>
            <Copyable what="name">{name}</Copyable>
          </dd>
          <dt>URL</dt>
          <dd>
            {url === null ? 'None while the database does not run' : <Copyable what="URL">{url}</Copyable>}
          </dd>
          <dt>PocketBase</dt>
          <dd>{instance.pocketbase_version}</dd>
        </dl>
        {isOwn && (
          <p>
            <a href="#/quick-start">How to use it</a>
          </p>
        )}
      </section>
      {isOwn && access === 'developer' && <Dashboard url={url} />}
      <Usage key={`${name} ${phase}`} instance={instance} />
    </>
  );
}

function Phase({ instance }: { instance: Instance }) {
  const { name, meaning, isTrouble, reason } = explainPhase(instance);
  const tone = isTrouble
    ? 'trouble'
    : instance.phase === 'running' || instance.phase === 'asleep'
      ? 'good'
      : '';
  return (
    <div role="status" className={`phase ${tone}`} data-phase={instance.phase}>
      <p>
        <strong>{name}</strong> since <Time at={instance.since} />. {meaning}
      </p>
      {reason !== null && (
        <p>
          Reason: {sentence(reason.cause)} {reason.remedy}
        </p>
      )}
      {instance.next_attempt_at !== null && (
        <p>
          Next start: <Time at={instance.next_attempt_at} />
        </p>
      )}
    </div>
  );
}

function Actions({ instance: { name, phase } }: { instance: Instance }) {
  const { client } = useServices();
  return (
    <div className="actions">
      {phase === 'asleep' && <ActionButton onClick={() => client.databases.wake(name)}>Wake</ActionButton>}
      {(phase === 'stopped' || phase === 'failed') && (
        <ActionButton onClick={() => client.databases.start(name)}>Start</ActionButton>
      )}
      {(phase === 'running' || phase === 'unresponsive') && (
        <ActionButton onClick={() => client.databases.restart(name)}>Restart</ActionButton>
      )}
    </div>
  );
}
