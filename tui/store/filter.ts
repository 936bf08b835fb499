import type { Instance } from '../../shared/instance.ts';
import { phaseWord } from './why.ts';

/**
 * Every word must occur in the name, owner, phase, reason or port; `!word` must not. Case does not matter, and a
 * lone `!` says nothing yet.
 */
export function filterInstances(instances: readonly Instance[], query: string): readonly Instance[] {
  const words = query
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '' && word !== '!');
  if (words.length === 0) return instances;
  return instances.filter((instance) => {
    const text = searchText(instance);
    return words.every((word) =>
      word.startsWith('!') ? !text.includes(word.slice(1)) : text.includes(word),
    );
  });
}

function searchText({ name, email, phase, reason, port }: Instance): string {
  const why = reason === null ? '' : `${reason.code} ${reason.message}`;
  const address = port === null ? '' : `:${port}`;
  return [name, email ?? '', phase, phaseWord(phase), why, address].join('\n').toLowerCase();
}
