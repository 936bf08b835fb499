/** Sections of `.env.sample` and `docs/settings.md`, in their order. */
export const SETTING_GROUPS = {
  secrets: 'Secrets',
  administrator: 'First administrator',
  files: 'Files',
  server: 'HTTP API and stream',
  limits: 'Limits',
  signUps: 'Sign-ups',
  mail: 'Mail',
  instances: 'PocketBase',
  backups: 'Backups',
  queue: 'Queue',
  alerts: 'Alerts and webhooks',
  cluster: 'Cluster',
  logs: 'Logs',
  providers: 'Sign-in providers',
} as const;

type Kind =
  /** Base64 of 32 bytes. */
  | { type: 'key' }
  /** Used as it is written; length in bytes of UTF-8. */
  | { type: 'secret'; min: number; max?: number }
  | { type: 'number'; default: number; min: number; max: number; unit?: string }
  | { type: 'host'; default: string }
  | { type: 'choice'; default: string; choices: readonly string[] }
  /** `default` is below FATHOM_DATA_DIR, except that of FATHOM_DATA_DIR, which is below the working directory. */
  | { type: 'path'; default?: string }
  | { type: 'text' | 'URL' | 'list'; default?: string };

export type Setting = Kind & {
  group: keyof typeof SETTING_GROUPS;
  /** Full sentences for `.env.sample` and `docs/settings.md`. */
  about: string;
  /** The daemon needs it and has no default. */
  required?: true;
  /** A reload of the daemon applies it; otherwise only a restart does. */
  reload?: true;
  /** Its value is never shown, not even a wrong one. */
  hidden?: true;
};
