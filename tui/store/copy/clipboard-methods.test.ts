import { expect, it } from 'vitest';
import { clipboardMethods, osc52 } from './clipboard-methods.ts';

const programs = (env: Record<string, string>) => clipboardMethods(env).programs.map(([program]) => program);

it('uses the terminal and the programs of a local desktop', () => {
  expect(programs({ TERM: 'xterm-256color' })).toEqual([]);
  expect(programs({ WAYLAND_DISPLAY: 'wayland-0', DISPLAY: ':0' })).toEqual(['wl-copy', 'xclip', 'xsel']);
  expect(clipboardMethods({ TERM: 'xterm' }).terminal?.('x')).toBe('x');
});

it('does not use the desktop of the remote host', () => {
  expect(programs({ SSH_CONNECTION: '::1 1 ::1 22', DISPLAY: 'localhost:10.0' })).toEqual([]);
});

it("uses tmux's own command, and a wrapper for screen", () => {
  expect(clipboardMethods({ TMUX: '/tmp/tmux-0/default,1,0' }).programs).toEqual([
    ['tmux', 'load-buffer', '-w', '-'],
  ]);
  expect(clipboardMethods({ STY: '1.pts-0.host' }).terminal?.('x')).toBe('\u001BPx\u001B\\');
});

it('does not use a terminal without a clipboard', () => {
  expect(clipboardMethods({ TERM: 'linux' }).terminal).toBeNull();
  expect(clipboardMethods({ TERM: 'dumb' }).terminal).toBeNull();
});

it('encodes text that is not ASCII', () => {
  expect(osc52('日')).toBe('\u001B]52;c;5pel\u0007');
});
