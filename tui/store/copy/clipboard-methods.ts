/** How a text gets into a clipboard from here. */
export interface ClipboardMethods {
  /** Programs that take it on standard input; the first that works is enough. */
  programs: readonly (readonly string[])[];
  /** Wraps OSC 52 for the terminal; null where no terminal would take it. */
  terminal: ((sequence: string) => string) | null;
}

/** The most that common terminals take by OSC 52, in bytes of the text: xterm ends at 100,000 characters of base64. */
export const MAX_TERMINAL_BYTES = 74_000;

/**
 * OSC 52 reaches the clipboard of the terminal, also through ssh. tmux drops it unless `set-clipboard` is `on`, and takes
 * the text from its own command; screen needs it wrapped. A program of the desktop is right only on the desktop itself.
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
