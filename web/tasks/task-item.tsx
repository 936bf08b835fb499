import { type ToggleEvent, useCallback, useState } from 'react';
import type { Task, TaskSummary } from '../../shared/api/queue.ts';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import { Value } from '../records/value.tsx';
import { useServices } from '../services.ts';
import { useView } from '../view.ts';
import { ActionButton } from '../widgets/action-button.tsx';
import { Problem } from '../widgets/problem.tsx';
import { Time } from '../widgets/time.tsx';
import { useLoad } from '../widgets/use-load.ts';
import { explainTask } from './task-text.ts';

/** A task, with its payload, result and errors on demand. */
export function TaskItem({ task }: { task: TaskSummary }) {
  const [isOpen, setOpen] = useState(false);
  const { client } = useServices();
  const { isOwn } = useView();
  const { state, tone, attempts } = explainTask(task);
  const isUnfinished = task.status === 'pending' || task.status === 'processing';
  const canCancel = isOwn && task.by_owner && isUnfinished && !task.cancel_requested;
  const toggled = ({ currentTarget }: ToggleEvent<HTMLDetailsElement>) => setOpen(currentTarget.open);
  return (
    <div className="task" data-status={task.status}>
      <p>
        <code>{task.type}</code> <strong className={tone}>{state}</strong>
      </p>
      <p className="hint">
        <When task={task} />, {attempts}
      </p>
      {task.status === 'processing' && task.progress > 0 && <Progress task={task} />}
      {task.last_error !== null && task.status !== 'done' && (
        <p>
          Reason: <bdi>{task.last_error}</bdi>
        </p>
      )}
      {task.status === 'dead' && (
        <p>It is not tried again by itself. An administrator can correct the cause and retry it.</p>
      )}
      {canCancel && (
        <ActionButton kind="quiet" label={`Cancel ${task.type}`} onClick={() => client.queue.cancel(task.id)}>
          Cancel
        </ActionButton>
      )}
      <details className="record" onToggle={toggled}>
        <summary>Details</summary>
        {isOpen && <Details id={task.id} updated={task.updated} />}
      </details>
    </div>
  );
}

function When({ task: { status, created, run_at, finished_at } }: { task: TaskSummary }) {
  if (finished_at !== null)
    return (
      <>
        Ended <Time at={finished_at} />
      </>
    );
  if (status === 'pending' && run_at !== null)
    return (
      <>
        Due <Time at={run_at} />
      </>
    );
  return (
    <>
      Added <Time at={created} />
    </>
  );
}

function Progress({ task: { type, progress, progress_message } }: { task: TaskSummary }) {
  return (
    <p>
      <progress aria-label={`Progress of ${type}`} max={100} value={progress} /> <bdi>{progress_message}</bdi>
    </p>
  );
}

/** @param updated when the task was changed: then it is loaded again */
function Details({ id, updated }: { id: string; updated: string }) {
  const { client } = useServices();
  const load = useCallback(
    async (options: CallOptions) => ({ updated, task: await client.queue.get(id, options) }),
    [client, id, updated],
  );
  const { data, error } = useLoad(load);
  return (
    <>
      {error !== null && <Problem error={error} />}
      {data === null && error === null && <p role="status">Loading…</p>}
      {data !== null && <Content task={data.task} />}
    </>
  );
}

function Content({ task: { payload, secret, result, errors } }: { task: Task }) {
  return (
    <dl>
      <dt>Payload{secret && ', without its secrets'}</dt>
      <dd>
        <Value value={payload} type="json" />
      </dd>
      <dt>Result</dt>
      <dd>
        <Value value={result} type="json" />
      </dd>
      {errors !== null && errors.length > 0 && <dt>Errors</dt>}
      {errors?.map(({ at, attempt, message }) => (
        <dd key={`${at} ${attempt}`}>
          Attempt {attempt}, <Time at={at} />: <bdi>{message}</bdi>
        </dd>
      ))}
    </dl>
  );
}
