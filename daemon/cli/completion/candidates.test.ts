import { describe, expect, it } from 'vitest';
import { command } from '../command.ts';
import { COMMANDS, GROUPS } from '../commands.ts';
import { candidatesFor } from './candidates.ts';

const after = (line: string) => {
  const { words, databases } = candidatesFor(line.split(' ').slice(1), COMMANDS, GROUPS);
  return { words: words.map(({ word }) => word), databases };
};

describe('candidates', () => {
  it('are commands and groups, with their help', () => {
    expect(after('fathomd do')).toEqual({ words: ['doctor'], databases: false });
    expect(after('fathomd databases st').words).toEqual(['start', 'stop']);
    expect(after('fathomd ').words).toContain('queue');
    expect(candidatesFor(['queu'], COMMANDS, GROUPS).words).toEqual([
      { word: 'queue', about: GROUPS['queue'] },
    ]);
  });

  it('are no hidden commands', () => {
    const hidden = command({ words: ['secret'], summary: '', hidden: true, run: () => Promise.resolve(0) });
    expect(candidatesFor(['s'], [hidden], {}).words).toEqual([]);
  });

  it('are the options that were not given yet', () => {
    expect(after('fathomd doctor --j').words).toEqual(['--json']);
    expect(after('fathomd doctor --json --j').words).toEqual([]);
    expect(after('fathomd databases list --json --').words).not.toContain('--json');
  });

  it('are the values of an option or argument that has some', () => {
    expect(after('fathomd completion ')).toEqual({ words: ['bash', 'zsh', 'fish'], databases: false });
    expect(after('fathomd users add --role ').words).toContain('user');
  });

  it('are databases where a command takes their names', () => {
    expect(after('fathomd databases show ').databases).toBe(true);
    expect(after('fathomd databases stop one two ').databases).toBe(true);
    expect(after('fathomd logs ').databases).toBe(true);
    expect(after('fathomd databases show one ').databases).toBe(false);
    expect(after('fathomd databases show --url ').databases).toBe(false);
    expect(after('fathomd databases show --url http://x ').databases).toBe(true);
    expect(after('fathomd plans set ').databases).toBe(false);
  });

  it('do not exist behind an unknown command', () => {
    expect(after('fathomd nonsense ')).toEqual({ words: [], databases: false });
    expect(after('fathomd constructor --')).toEqual({ words: [], databases: false });
  });
});
