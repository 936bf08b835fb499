import { useCallback, useEffect } from 'react';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import type { Live } from '../live/use-live-database.ts';
import { useServices } from '../services.ts';
import { useDatabaseName, useView } from '../view.ts';
import { Pages, pageNumberOf } from '../widgets/pages.tsx';
import { Problem } from '../widgets/problem.tsx';
import { Screen } from '../widgets/screen.tsx';
import { useLoad } from '../widgets/use-load.ts';
import { StartTask } from './start-task.tsx';
import { TaskItem } from './task-item.tsx';

const PER_PAGE = 20;

interface TasksScreenProps {
  live: Live;
  /** The number of a page. */
  parts: readonly string[];
}

/** The tasks of the owner in the queue, the newest first. They change while the screen is open. */
export function TasksScreen({ live, parts: [part] }: TasksScreenProps) {
  const { client } = useServices();
  const { followTasks, taskChanges } = live;
  const {
    user: { id: userId },
    isOwn,
    prefix,
  } = useView();
  const database = useDatabaseName(live);
  const page = pageNumberOf(part) ?? 1;
  useEffect(followTasks, [followTasks]);
  const load = useCallback(
    (options: CallOptions) => client.queue.list({ user_id: userId, page, per_page: PER_PAGE }, options),
    [client, userId, page],
  );
  const { data, error, reload } = useLoad(load);
  useEffect(() => {
    if (taskChanges > 0) reload();
  }, [taskChanges, reload]);
  // A reload keeps the former page until the next one is here.
  const shown = data?.page === page ? data : null;
  return (
    <Screen title={page === 1 ? 'Tasks' : `Tasks, page ${page}`}>
      <p>What the server does {isOwn ? 'for you ' : ''}in the background, the newest first.</p>
      {isOwn && page === 1 && database !== null && <StartTask onStarted={reload} />}
      {error !== null && <Problem error={error} />}
      {shown === null && error === null && <p role="status">Loading…</p>}
      {shown?.total === 0 && <p>{isOwn ? 'You have no tasks.' : 'There are no tasks.'}</p>}
      {shown !== null && shown.total > 0 && shown.items.length === 0 && <p>There are none on this page.</p>}
      <ul className="list">
        {shown?.items.map((task) => (
          <li key={task.id}>
            <TaskItem task={task} />
          </li>
        ))}
      </ul>
      {shown !== null && (
        <Pages
          page={page}
          last={Math.max(1, Math.ceil(shown.total / PER_PAGE))}
          to={(number) => `${prefix}/tasks/${number}`}
        />
      )}
    </Screen>
  );
}
