import { describe, expect, it } from 'vitest';
import { INSTANCE_PHASES } from '../../shared/instance.ts';
import { phaseText } from '../../tui/store/text/reason.ts';
import { phaseLook, THEME_NAMES } from '../../tui/theme.ts';
import { failed, instance } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';

const CRASHING = '2024-01-15-100-johndoe';

/** One instance in every phase, named after it. */
function everyPhase() {
  return INSTANCE_PHASES.map((phase, index) =>
    instance(`2024-01-15-00${index + 1}-${phase.replace('_', '')}`, { phase }),
  );
}

describe.each(THEME_NAMES)('theme %s', (theme) => {
  it('tells every state with a glyph and a word: nothing is lost without its colours', async () => {
    const stub = await daemon([...everyPhase(), failed(CRASHING)]);
    stub.onAction = async () => 'the port is taken';
    const screen = open({ url: stub.url }, { columns: 160, theme });
    await screen.shows('● live', `${INSTANCE_PHASES.length + 1} databases`);
    screen.press('2');
    await screen.shows('PHASE');
    for (const { name, phase } of everyPhase()) {
      const row = screen.line(name);
      expect(row).toContain(`${phaseLook(phase).glyph} ${name}`);
      expect(row).toContain(phaseText(phase));
    }
    expect(screen.line(CRASHING)).toMatch(/✗ .*failed 3 m ago/);

    // What was done, what is chosen, and a link that is gone.
    screen.press('s');
    await screen.shows('✗ start');
    expect(screen.styleOf('▸')?.inverse).toBe(true);
    const { colour } = screen.styleOf('failed 3 m ago') ?? {};
    if (theme === 'none') expect(colour).toBeNull();
    else expect(colour).toBeGreaterThan(0);
    await stub.close();
    await screen.shows('▲ stale', 'retry');
    expect(screen.styleOf('failed 3 m ago')?.dim).toBe(true);
  });
});
