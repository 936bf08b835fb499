import { useSyncExternalStore } from 'react';

/** The store's value, and a new frame when it changes; the only place where the store and React meet. */
export function useObservable<T>(store: {
  readonly get: () => T;
  readonly subscribe: (listener: () => void) => () => void;
}): T {
  return useSyncExternalStore(store.subscribe, store.get);
}
