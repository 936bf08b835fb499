import { expect, it } from 'vitest';
import { clipboardMethods, osc52 } from './clipboard-methods.ts';

const programs = (env: Record<string, string>) => clipboardMethods(env).programs.map(([program]) => program);

it('asks the terminal, and the programs of the desktop that it is on', () => {
  expect(programs({ TERM: 'xterm-256color' })).toEqual([]);
  expect(programs({ WAYLAND_DISPLAY: 'wayland-0', DISPLAY: ':0' })).toEqual(['wl-copy', 'xclip', 'xsel']);
  expect(clipboardMethods({ TERM: 'xterm' }).terminal?.('x')).toBe('x');
});

it('leaves the desktop of the far end alone', () => {
  expect(programs({ SSH_CONNECTION: '::1 1 ::1 22', DISPLAY: 'localhost:10.0' })).toEqual([]);
});

it('reaches through tmux by its own command, and through screen in a wrapper', () => {
  expect(clipboardMethods({ TMUX: '/tmp/tmux-0/default,1,0' }).programs).toEqual([
    ['tmux', 'load-buffer', '-w', '-'],
  ]);
  expect(clipboardMethods({ STY: '1.pts-0.host' }).terminal?.('x')).toBe('\u001BPx\u001B\\');
});

it('expects nothing of a terminal without a clipboard', () => {
  expect(clipboardMethods({ TERM: 'linux' }).terminal).toBeNull();
  expect(clipboardMethods({ TERM: 'dumb' }).terminal).toBeNull();
});

it('encodes what is not ASCII', () => {
  expect(osc52('日')).toBe('\u001B]52;c;5pel\u0007');
});
