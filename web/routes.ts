import { useSyncExternalStore } from 'react';

/**
 * Screens are behind the `#`: servers and proxies do not see it, and the page works below any path.
 */
export function useRoute(): string {
  return useSyncExternalStore(subscribe, () => location.hash.replace(/^#/, '') || '/');
}

function subscribe(listener: () => void): () => void {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
}
