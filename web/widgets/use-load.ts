import { useCallback, useEffect, useMemo, useState } from 'react';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import { FathomError } from '../../shared/errors.ts';

const RETRY_MS = 5_000;

export interface Loaded<T> {
  /** Null until the first response. A reload keeps the former value until it has another one. */
  data: T | null;
  error: unknown;
  reload: () => void;
}

/** Loads data when the component appears, and again while the daemon does not answer. @param load the same function until it has to load something else */
export function useLoad<T>(load: (options: CallOptions) => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ data: T | null; error: unknown }>({ data: null, error: null });
  const [round, setRound] = useState(0);
  const attempt = useMemo(() => ({ load, round }), [load, round]);
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    attempt
      .load({ signal })
      .then((data) => (signal.aborted ? undefined : setState({ data, error: null })))
      .catch((error: unknown) => {
        if (!signal.aborted) setState((former) => ({ ...former, error }));
      });
    return () => abort.abort();
  }, [attempt]);
  const reload = useCallback(() => setRound((number) => number + 1), []);
  const { error } = state;
  useEffect(() => {
    if (!(error instanceof FathomError && error.status === 503)) return;
    const timer = setTimeout(reload, RETRY_MS);
    return () => clearTimeout(timer);
  }, [error, reload]);
  return { ...state, reload };
}
