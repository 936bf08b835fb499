import { useCallback, useId } from 'react';
import type { Instance } from '../../shared/api/instances.ts';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import { useServices } from '../services.ts';
import { Problem } from '../widgets/problem.tsx';
import { useLoad } from '../widgets/use-load.ts';
import { formatBytes } from './bytes.ts';

/** What the database uses, compared with its limits. */
export function Usage({ instance }: { instance: Instance }) {
  const { client } = useServices();
  const { name, usage, limits } = instance;
  const load = useCallback((options: CallOptions) => client.usage.get(name, options), [client, name]);
  const { data: history, error } = useLoad(load);
  return (
    <section aria-labelledby="usage">
      <h2 id="usage">Usage</h2>
      <Amount
        label="Disk"
        used={usage?.disk_bytes ?? history?.disk_bytes ?? null}
        limit={limits.disk_bytes}
      />
      <Amount label="Memory" used={usage?.pss_bytes ?? null} limit={limits.memory_bytes} />
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
