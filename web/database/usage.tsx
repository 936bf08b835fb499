import { useCallback, useId } from 'react';
import type { Instance } from '../../shared/api/instances.ts';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import { useServices } from '../services.ts';
import { Problem } from '../widgets/problem.tsx';
import { useLoad } from '../widgets/use-load.ts';
import { Archiving } from './archiving.tsx';
import { formatBytes } from './bytes.ts';
import { pointsOf, valuesOfLastDay } from './last-day.ts';

/** What the database uses, compared with its limits. */
export function Usage({ instance }: { instance: Instance }) {
  const { client } = useServices();
  const { name, usage, limits } = instance;
  const load = useCallback(
    async (options: CallOptions) => ({ ...(await client.usage.get(name, options)), readAt: Date.now() }),
    [client, name],
  );
  const { data: history, error, reload } = useLoad(load);
  const dayOf = (key: 'disk_bytes' | 'memory_bytes') =>
    valuesOfLastDay(history?.hours ?? [], key, history?.readAt ?? 0);
  return (
    <section aria-labelledby="usage">
      <h2 id="usage">Usage</h2>
      {typeof history?.archive_at === 'string' && <Archiving at={history.archive_at} onKept={reload} />}
      <Amount
        label="Disk"
        used={usage?.disk_bytes ?? history?.disk_bytes ?? null}
        limit={limits.disk_bytes}
      />
      <LastDay label="Disk" values={dayOf('disk_bytes')} />
      <Amount label="Memory" used={usage?.pss_bytes ?? null} limit={limits.memory_bytes} />
      <LastDay label="Memory" values={dayOf('memory_bytes')} />
      {history !== null && history.days_until_limit !== null && (
        <p>
          The disk limit is reached in about {Math.ceil(history.days_until_limit)} days if it goes on like
          this.
        </p>
      )}
      <p>{sleepText(limits.sleep_after)}</p>
      {error !== null && <Problem error={error} />}
    </section>
  );
}

const LINE = { width: 240, height: 40 };

/** A line of the last day, as far as it was measured. */
function LastDay({ label, values }: { label: string; values: readonly number[] }) {
  if (values.length < 2) return null;
  const range = `${formatBytes(Math.min(...values))} to ${formatBytes(Math.max(...values))}`;
  return (
    <figure className="last-day">
      <svg
        viewBox={`-2 -2 ${LINE.width + 4} ${LINE.height + 4}`}
        preserveAspectRatio="none"
        aria-hidden="true"
      >
        <polyline points={pointsOf(values, LINE.width, LINE.height)} />
      </svg>
      <figcaption className="hint">
        {label} in the last day: {range}
      </figcaption>
    </figure>
  );
}

function sleepText(minutes: number): string {
  if (minutes === 0) return 'It does not sleep when it is not used.';
  return `It sleeps after ${minutes} minutes without use, and the next request wakes it.`;
}

function Amount({ label, used, limit }: { label: string; used: number | null; limit: number | null }) {
  const id = useId();
  const text = used === null ? 'not measured' : formatBytes(used);
  return (
    <div className="amount">
      <p id={id}>
        {label}: {text}
        {limit === null ? ', no limit' : ` of ${formatBytes(limit)}`}
      </p>
      {limit !== null && (
        <meter
          aria-labelledby={id}
          min={0}
          max={limit}
          high={limit * 0.8}
          value={Math.min(used ?? 0, limit)}
        />
      )}
    </div>
  );
}
