/** Where an installed Fathom lies. Releases are beside each other, and `current` says which one runs. */
export const RELEASES = '/opt/fathom';

/** Whether a package is an installed release. */
export function isRelease(directory: string): boolean {
  return directory.startsWith(`${RELEASES}/`);
}

export const CURRENT = `${RELEASES}/current`;
/** The release that ran before, for the way back. */
export const PREVIOUS = `${RELEASES}/previous`;
/** The release to go back to while another one is being tried; gone when that has proven itself, or is not kept. */
export const FALLBACK = `${RELEASES}/fallback`;
export const SETTINGS = '/etc/fathom';
export const ENV_FILE = `${SETTINGS}/fathom.env`;
export const CREDENTIALS = `${SETTINGS}/credentials`;
export const DATA = '/var/lib/fathom';
export const SOCKET = '/run/fathom/fathomd.sock';
export const ACCOUNT = 'fathom';

export const SERVICE = 'fathomd.service';
export const SOCKET_UNIT = 'fathomd.socket';
export const WORKERS = 'fathom-worker@*.service';

/** Below the release, where it belongs on the host, and its mode. `/etc` is left to the administrator's own changes. */
export const SYSTEM_FILES: readonly { from: string; to: string; mode: number }[] = [
  { from: 'systemd/fathomd.service', to: '/usr/local/lib/systemd/system/fathomd.service', mode: 0o644 },
  { from: 'systemd/fathomd.socket', to: '/usr/local/lib/systemd/system/fathomd.socket', mode: 0o644 },
  {
    from: 'systemd/fathom-worker@.service',
    to: '/usr/local/lib/systemd/system/fathom-worker@.service',
    mode: 0o644,
  },
  { from: 'systemd/sysusers.conf', to: '/usr/local/lib/sysusers.d/fathom.conf', mode: 0o644 },
  { from: 'systemd/tmpfiles.conf', to: '/usr/local/lib/tmpfiles.d/fathom.conf', mode: 0o644 },
  { from: 'systemd/sysctl.conf', to: '/usr/local/lib/sysctl.d/50-fathom.conf', mode: 0o644 },
  { from: 'systemd/fathom-command', to: '/usr/local/bin/fathomd', mode: 0o755 },
  { from: 'systemd/fathom-command', to: '/usr/local/bin/fathom-tui', mode: 0o755 },
];
