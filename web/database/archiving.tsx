import { useServices } from '../services.ts';
import { useView } from '../view.ts';
import { ActionButton } from '../widgets/action-button.tsx';
import { Notice } from '../widgets/notice.tsx';
import { Time } from '../widgets/time.tsx';

interface ArchivingProps {
  /** When the database is archived unless it is used before. */
  at: string;
  onKept: () => void;
}

/** Says when the database is archived, and keeps it on the disk. */
export function Archiving({ at, onKept }: ArchivingProps) {
  const { keeper } = useServices();
  const { isOwn } = useView();
  const keep = async () => {
    // As a sign-in, it wakes the database and counts as a use.
    await keeper.renew();
    onKept();
  };
  return (
    <Notice kind="info">
      <p>
        The database is not used. It will be archived: <Time at={at} />
      </p>
      <p>
        Nothing is lost then: the next request or sign-in brings it back, and takes longer. To keep it as it
        is, use it before.
      </p>
      {isOwn && (
        <div className="actions">
          <ActionButton kind="quiet" onClick={keep}>
            Keep it as it is
          </ActionButton>
        </div>
      )}
    </Notice>
  );
}
