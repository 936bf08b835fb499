import { describe, expect, it } from 'vitest';
import { goTo, type Location, NO_TRAIL, openedFrom, type Spot, step, top, topOf } from './location.ts';

const instance = (name: string): Spot => ({ screen: 'instance', name, tab: 'summary' });

describe('places', () => {
  it('are walked back and forward, until another way is taken', () => {
    let here = { at: top('overview'), trail: NO_TRAIL };
    for (const to of [top('instances'), top('queue'), top('queue')]) here = goTo(here, to);
    const back = step(here, 'back');
    expect(back?.at.screen).toBe('instances');
    expect(back && step(back, 'forward')?.at.screen).toBe('queue');
    const elsewhere = back && goTo(back, top('events'));
    expect(elsewhere && step(elsewhere, 'forward')).toBeNull();
    expect(elsewhere && step(elsewhere, 'back')?.at.screen).toBe('instances');
  });

  it('belong to the numbered screen from which they were opened, however long the way', () => {
    let here: Location = top('queue');
    for (let number = 0; number < 100; number += 1) here = openedFrom(here, instance(String(number)));
    expect(topOf(here)).toEqual(top('queue'));
    let depth = 0;
    for (let at: Location | null = here; at !== null; at = at.from) depth += 1;
    expect(depth).toBeLessThan(12);
  });
});
