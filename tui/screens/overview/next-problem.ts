import { problemRows } from '../../store/fleet/problem-rows.ts';
import { problemsOf, spotOfProblem } from '../../store/fleet/problems.ts';
import { openedFrom, type Spot, topLocation } from '../../store/view/location.ts';
import { type Console, showNotice } from '../console.ts';
import { navigateTo } from '../input/navigate.ts';

/** Opens the next or the previous problem, worst first. After the last one, it starts again at the first. */
export function openNextProblem(console: Console, by: 1 | -1): void {
  const fleet = console.fleet.store.get();
  if (fleet.snapshot_at === null) return showNotice(console, 'No data yet.');
  const { at, expanded } = console.ui.get();
  // A closed group is one stop. In an open group, each problem is a stop.
  const stops = problemRows(problemsOf(fleet), expanded).filter(({ group }) => group?.open !== true);
  const here = stops.findIndex(({ problems }) => problems.some((one) => isAtSpot(spotOfProblem(one), at)));
  const start = here === -1 && by === -1 ? 0 : here;
  const next = stops[(start + by + stops.length) % stops.length];
  if (next === undefined) return showNotice(console, '✓ No problems.');
  const [{ title, why }, ...others] = next.problems;
  const spot = spotOfProblem(next.problems[0]);
  navigateTo(
    console,
    spot.screen === 'overview' ? topLocation('overview') : openedFrom(topLocation('overview'), spot),
  );
  const more = others.length === 0 ? '' : ` · ${others.length} more have this cause`;
  showNotice(console, `Problem ${stops.indexOf(next) + 1} of ${stops.length}: ${title} ${why}${more}`);
}

function isAtSpot(spot: Spot, at: Spot): boolean {
  if (spot.screen === 'instance') return at.screen === 'instance' && at.name === spot.name;
  if (spot.screen === 'queue') return at.screen === 'queue' && at.tab === spot.tab;
  return spot.screen === at.screen;
}
