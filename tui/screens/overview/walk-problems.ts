import { problemRows } from '../../store/fleet/problem-rows.ts';
import { problemsOf, spotOfProblem } from '../../store/fleet/problems.ts';
import { openedFrom, type Spot, top } from '../../store/view/location.ts';
import type { Console } from '../console.ts';
import { visit } from '../presses/navigate.ts';
import { say } from '../presses/say.ts';

/** Opens the next problem, worst first, or the one before; after the last comes the first. */
export function walkProblems(console: Console, by: 1 | -1): void {
  const fleet = console.fleet.store.get();
  if (fleet.snapshot_at === null) return say(console, 'Nothing is known of the fleet yet.');
  const { at, expanded } = console.ui.get();
  // What is shown as one row is visited once.
  const stops = problemRows(problemsOf(fleet), expanded).filter(({ group }) => group?.open !== true);
  const here = stops.findIndex(({ problems }) => problems.some((one) => isAt(spotOfProblem(one), at)));
  const start = here === -1 && by === -1 ? 0 : here;
  const next = stops[(start + by + stops.length) % stops.length];
  if (next === undefined) return say(console, '✓ No problems.');
  const [{ title, why }, ...alike] = next.problems;
  const spot = spotOfProblem(next.problems[0]);
  visit(console, spot.screen === 'overview' ? top('overview') : openedFrom(top('overview'), spot));
  const others = alike.length === 0 ? '' : ` · ${alike.length} more have this cause`;
  say(console, `Problem ${stops.indexOf(next) + 1} of ${stops.length}: ${title} ${why}${others}`);
}

function isAt(spot: Spot, at: Spot): boolean {
  if (spot.screen === 'instance') return at.screen === 'instance' && at.name === spot.name;
  if (spot.screen === 'queue') return at.screen === 'queue' && at.tab === spot.tab;
  return spot.screen === at.screen;
}
