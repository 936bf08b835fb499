/** How the console can copy a text to a clipboard. */
export interface ClipboardMethods {
  /** Programs that read the text from standard input. The first one that works is enough. */
  programs: readonly (readonly string[])[];
  /** Wraps an OSC 52 sequence for the terminal; null if the terminal has no clipboard. */
  terminal: ((sequence: string) => string) | null;
}

/** Maximum bytes of text for OSC 52 in common terminals: xterm accepts 100,000 characters of base64. */
export const MAX_TERMINAL_BYTES = 74_000;

/**
 * OSC 52 copies to the clipboard of the terminal, also through ssh. tmux drops it unless `set-clipboard` is `on`, so its own
 * command is used. screen needs a wrapper. Desktop programs are used only if the terminal runs on this desktop.
 */
export function clipboardMethods(env: Readonly<Record<string, string | undefined>>): ClipboardMethods {
  const programs: (readonly string[])[] = [];
  if (env['TMUX']) programs.push(['tmux', 'load-buffer', '-w', '-']);
  const remote = Boolean(env['SSH_CONNECTION'] || env['SSH_TTY']);
  if (!remote && env['WAYLAND_DISPLAY']) programs.push(['wl-copy']);
  if (!remote && env['DISPLAY']) {
    programs.push(['xclip', '-selection', 'clipboard'], ['xsel', '--clipboard', '--input']);
  }
  if (env['TERM'] === 'linux' || env['TERM'] === 'dumb') return { programs, terminal: null };
  return {
    programs,
    terminal: env['STY'] ? (sequence) => `\u001BP${sequence}\u001B\\` : (sequence) => sequence,
  };
}

export function osc52(text: string): string {
  return `\u001B]52;c;${Buffer.from(text).toString('base64')}\u0007`;
}
