import { describe, expect, it } from 'vitest';
import {
  goTo,
  type Location,
  NO_TRAIL,
  openedFrom,
  type Spot,
  stepInHistory,
  topLocation,
  topLocationOf,
} from './location.ts';

const instance = (name: string): Spot => ({ screen: 'instance', name, tab: 'summary' });

describe('locations', () => {
  it('can be visited back and forward until the user goes elsewhere', () => {
    let here = { at: topLocation('overview'), trail: NO_TRAIL };
    for (const to of [topLocation('instances'), topLocation('queue'), topLocation('queue')])
      here = goTo(here, to);
    const back = stepInHistory(here, 'back');
    expect(back?.at.screen).toBe('instances');
    expect(back && stepInHistory(back, 'forward')?.at.screen).toBe('queue');
    const elsewhere = back && goTo(back, topLocation('events'));
    expect(elsewhere && stepInHistory(elsewhere, 'forward')).toBeNull();
    expect(elsewhere && stepInHistory(elsewhere, 'back')?.at.screen).toBe('instances');
  });

  it('belong to the screen in the header from which they were opened', () => {
    let here: Location = topLocation('queue');
    for (let number = 0; number < 100; number += 1) here = openedFrom(here, instance(String(number)));
    expect(topLocationOf(here)).toEqual(topLocation('queue'));
    let depth = 0;
    for (let at: Location | null = here; at !== null; at = at.from) depth += 1;
    expect(depth).toBeLessThan(12);
  });
});
