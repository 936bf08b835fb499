import type { Topic } from '../../shared/events.ts';
import type { PageRequest } from './pages.ts';

/** What a screen shows beyond the fleet itself; held up to date while it is looked at, and no longer. */
export interface Wants {
  /** Instance whose log is read. */
  log?: string;
  topics?: readonly Topic[];
  pages?: readonly PageRequest[];
}

export const NOTHING: Wants = {};
