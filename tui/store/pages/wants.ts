import type { Topic } from '../../../shared/events.ts';
import type { PageRequest } from './pages.ts';

/** What a screen shows beyond the fleet itself; held up to date while it is looked at, and no longer. */
export interface Wants {
  /** Instances whose logs are read. */
  logs?: readonly string[];
  topics?: readonly Topic[];
  pages?: readonly PageRequest[];
}

export const NOTHING: Wants = {};
