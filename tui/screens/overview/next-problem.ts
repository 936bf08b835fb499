import { problemRows } from '../../store/fleet/problem-rows.ts';
import { problemsOf, spotOfProblem } from '../../store/fleet/problems.ts';
import { openedFrom, type Spot, topLocation } from '../../store/view/location.ts';
import { type Console, showNotice } from '../console.ts';
import { navigateTo } from '../input/navigate.ts';

/** Opens the next problem, worst first, or the one before; after the last comes the first. */
export function openNextProblem(console: Console, by: 1 | -1): void {
  const fleet = console.fleet.store.get();
  if (fleet.snapshot_at === null) return showNotice(console, 'Nothing is known of the fleet yet.');
  const { at, expanded } = console.ui.get();
  // What is shown as one row is visited once.
  const stops = problemRows(problemsOf(fleet), expanded).filter(({ group }) => group?.open !== true);
  const here = stops.findIndex(({ problems }) => problems.some((one) => isAtSpot(spotOfProblem(one), at)));
  const start = here === -1 && by === -1 ? 0 : here;
  const next = stops[(start + by + stops.length) % stops.length];
  if (next === undefined) return showNotice(console, '✓ No problems.');
  const [{ title, why }, ...alike] = next.problems;
  const spot = spotOfProblem(next.problems[0]);
  navigateTo(
    console,
    spot.screen === 'overview' ? topLocation('overview') : openedFrom(topLocation('overview'), spot),
  );
  const others = alike.length === 0 ? '' : ` · ${alike.length} more have this cause`;
  showNotice(console, `Problem ${stops.indexOf(next) + 1} of ${stops.length}: ${title} ${why}${others}`);
}

function isAtSpot(spot: Spot, at: Spot): boolean {
  if (spot.screen === 'instance') return at.screen === 'instance' && at.name === spot.name;
  if (spot.screen === 'queue') return at.screen === 'queue' && at.tab === spot.tab;
  return spot.screen === at.screen;
}
