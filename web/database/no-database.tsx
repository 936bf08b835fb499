import type { Session } from '../../shared/api/accounts/auth.ts';
import { useServices } from '../services.ts';
import { useView } from '../view.ts';
import { ActionButton } from '../widgets/action-button.tsx';

/** Why an account has no database, and what to do. */
export function NoDatabase({ session }: { session: Session }) {
  const { client, keeper } = useServices();
  const { isOwn } = useView();
  if (!isOwn) return <p>This user has no database now.</p>;
  const { email } = session.user;
  if (session.database?.status === 'awaiting_verification')
    return (
      <>
        <p>
          A mail was sent to {email}. Open the link in it: then your database is created, and this page shows
          it. Look into the folder for spam as well.
        </p>
        <div className="actions">
          <ActionButton onClick={() => client.mails.requestVerification({ email })}>
            Send the mail again
          </ActionButton>
        </div>
      </>
    );
  return (
    <>
      <p>Your database does not exist yet.</p>
      <div className="actions">
        <ActionButton onClick={() => keeper.renew()}>Create my database</ActionButton>
      </div>
    </>
  );
}
