import { useServices } from '../services.ts';

/** How the owner of a developer database opens PocketBase's dashboard. @param url that of the database */
export function Dashboard({ url }: { url: string | null }) {
  const { base } = useServices();
  return (
    <section aria-labelledby="dashboard">
      <h2 id="dashboard">Dashboard of PocketBase</h2>
      <p>
        You are a superuser of this database. In the dashboard you can change collections, settings and all
        records.
      </p>
      {url === null ? (
        <p>It opens while the database runs.</p>
      ) : (
        <p>
          <a href={dashboardOf(url)} target="_blank" rel="noopener noreferrer">
            Open the dashboard
          </a>{' '}
          <span className="hint">in a new tab</span>
        </p>
      )}
      <p>
        Sign in there with the e-mail address and the password of your account. An account that signs in by a
        provider gets a password <a href={`${base}account/reset-password`}>by mail</a>.
      </p>
      <p className="hint">Superusers, backups, SQL and some settings stay closed there.</p>
    </section>
  );
}

/** The URL of a database may have a path. */
function dashboardOf(url: string): string {
  return `${url.replace(/\/$/, '')}/_/`;
}
