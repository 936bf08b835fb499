import { RELEASES } from '../../../../shared/launcher.ts';
import { SYSTEM_SOCKET } from '../../../../shared/settings-files.ts';

export { isRelease, RELEASES } from '../../../../shared/launcher.ts';

export const CURRENT = `${RELEASES}/current`;
/** The previous release: `fathomd rollback` goes back to it. */
export const PREVIOUS = `${RELEASES}/previous`;
/** The former release while a change is in progress. Removed when the change is complete. */
export const FALLBACK = `${RELEASES}/fallback`;
/** Contains the scope of an uninstall that runs or was interrupted. */
export const UNINSTALLING = `${RELEASES}/uninstalling`;
export const SETTINGS = '/etc/fathom';
export const ENV_FILE = `${SETTINGS}/fathom.env`;
export const CREDENTIALS = `${SETTINGS}/credentials`;
/** Public keys of releases that the administrator trusts, besides those of the package. */
export const RELEASE_KEYS = `${SETTINGS}/release-keys`;
export const DATA = '/var/lib/fathom';
export const SOCKET = SYSTEM_SOCKET;
export const ACCOUNT = 'fathom';

export const SERVICE = 'fathomd.service';
export const SOCKET_UNIT = 'fathomd.socket';
export const WORKER_UNIT = 'fathom-worker@.service';
export const UNIT_DIRECTORY = '/usr/local/lib/systemd/system';
export const WORKERS = 'fathom-worker@*.service';

interface SystemFile {
  /** Below the release. */
  from: string;
  /** Absolute path on the host. Not in `/etc`, which is for the administrator's changes. */
  to: string;
  mode: number;
  /** An earlier release does not have it. Where its release lacks it, the present file stays. */
  isOptional?: boolean;
  /** The first version of systemd that knows its settings. Without it, the file is not installed. */
  leastSystemd?: number;
}

/** Settings of the unit that depend on the version of systemd. */
export const DROP_INS = `${UNIT_DIRECTORY}/${SERVICE}.d`;

const UNITS: readonly SystemFile[] = [
  ...[SERVICE, SOCKET_UNIT, WORKER_UNIT].map((unit) => ({
    from: `systemd/${unit}`,
    to: `${UNIT_DIRECTORY}/${unit}`,
    mode: 0o644,
  })),
  {
    from: 'systemd/fathomd-cgroups.conf',
    to: `${DROP_INS}/cgroups.conf`,
    mode: 0o644,
    leastSystemd: 254,
    // The cgroups of running instances need it until the next stop.
    isOptional: true,
  },
  { from: 'systemd/sysusers.conf', to: '/usr/local/lib/sysusers.d/fathom.conf', mode: 0o644 },
  { from: 'systemd/tmpfiles.conf', to: '/usr/local/lib/tmpfiles.d/fathom.conf', mode: 0o644 },
  { from: 'systemd/sysctl.conf', to: '/usr/local/lib/sysctl.d/50-fathom.conf', mode: 0o644 },
];
const COMMANDS: readonly SystemFile[] = [
  { from: 'systemd/fathom-command', to: '/usr/local/bin/fathomd', mode: 0o755 },
  { from: 'systemd/fathom-command', to: '/usr/local/bin/fathom-tui', mode: 0o755 },
];
const MANUALS: readonly SystemFile[] = ['fathomd.8', 'fathom-tui.1'].map((page) => ({
  from: `man/${page}`,
  to: `/usr/local/share/man/man${page.at(-1)}/${page}`,
  mode: 0o644,
  isOptional: true,
}));

export const SYSTEM_FILES = [...UNITS, ...COMMANDS, ...MANUALS];
export const UNIT_FILES = UNITS.map(({ to }) => to);
/** An uninstall removes them last. */
export const COMMAND_FILES = [...COMMANDS, ...MANUALS].map(({ to }) => to);
