import { spawnSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { SCRIPTS } from './scripts.ts';

const hasFish = spawnSync('fish', ['--version']).status === 0;
const hasZsh = spawnSync('zsh', ['--version']).status === 0;

function runIn(shell: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(shell, args, { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

it('bash gets the candidates of the typed word', () => {
  const line = 'COMP_WORDS=(fathomd databases st); COMP_CWORD=2; _fathomd; echo "${COMPREPLY[@]}"';
  const program = `fathomd() { [[ "$*" == "complete databases st" ]] && printf 'start\\tStart it\\nstop\\tStop it\\n'; }`;
  expect(runIn('bash', ['-c', `${program}\n${SCRIPTS.bash}\n${line}`])).toBe('start stop\n');
});

it.skipIf(!hasFish)('fish gets them with their help', () => {
  const program = `function fathomd; test "$argv" = "complete databases st"; and printf 'start\\tStart it\\nstop\\tStop it\\n'; end`;
  const asked = runIn('fish', ['-c', `${program}\n${SCRIPTS.fish}\ncomplete -C 'fathomd databases st'`]);
  expect(asked).toBe('start\tStart it\nstop\tStop it\n');
});

it.skipIf(!hasZsh)('zsh can load its script', () => {
  runIn('zsh', ['-n', '-c', SCRIPTS.zsh]);
});
