export type Level = 'ok' | 'warning' | 'fatal';

/** What one check found. `fatal` means that the daemon will not run, or not safely. */
export interface Finding {
  id: string;
  level: Level;
  /** One line: what is so. */
  summary: string;
  /** What to do about it; null when it is fine. */
  remedy: string | null;
}

export function ok(id: string, summary: string): Finding {
  return { id, level: 'ok', summary, remedy: null };
}

export function warning(id: string, summary: string, remedy: string): Finding {
  return { id, level: 'warning', summary, remedy };
}

export function fatal(id: string, summary: string, remedy: string): Finding {
  return { id, level: 'fatal', summary, remedy };
}
