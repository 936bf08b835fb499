import { openedFrom, type Spot, top } from '../store/location.ts';
import { problemsOf, spotOfProblem } from '../store/problems.ts';
import type { Console } from './console.ts';
import { visit } from './navigate.ts';
import { say } from './say.ts';

/** Opens the next problem, worst first, or the one before; after the last comes the first. */
export function walkProblems(console: Console, by: 1 | -1): void {
  const fleet = console.fleet.store.get();
  if (fleet.snapshot_at === null) return say(console, 'Nothing is known of the fleet yet.');
  const problems = problemsOf(fleet);
  const { at } = console.ui.get();
  const here = problems.findIndex((problem) => isAt(spotOfProblem(problem), at));
  const start = here === -1 && by === -1 ? 0 : here;
  const next = problems[(start + by + problems.length) % problems.length];
  if (next === undefined) return say(console, '✓ No problems.');
  const spot = spotOfProblem(next);
  visit(console, spot.screen === 'overview' ? top('overview') : openedFrom(top('overview'), spot));
  say(console, `Problem ${problems.indexOf(next) + 1} of ${problems.length}: ${next.title} ${next.why}`);
}

function isAt(spot: Spot, at: Spot): boolean {
  if (spot.screen === 'instance') return at.screen === 'instance' && at.name === spot.name;
  if (spot.screen === 'queue') return at.screen === 'queue' && at.tab === spot.tab;
  return spot.screen === at.screen;
}
