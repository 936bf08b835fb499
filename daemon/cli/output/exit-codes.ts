/** Exit codes of commands, after sysexits(3). `ERROR_CODES` has the code of each error of the daemon. */
export const EXIT_CODES = {
  0: 'Done.',
  1: 'Not found, not possible in this state, or something is wrong (`--check`, `doctor`, `audit verify`).',
  2: 'The command line or a value in it is wrong. Nothing was done.',
  69: 'The daemon or another service does not answer, or a port is in use.',
  70: 'An instance does not start, or an internal error of Fathom.',
  73: 'A file or directory cannot be created or used.',
  74: 'The output cannot be written and is incomplete, as on a full disk. The command itself may have worked.',
  75: 'Not now. Try again later.',
  77: 'Not allowed, or not signed in.',
  78: 'The configuration, the PocketBase executable or a key is wrong.',
  130: 'Interrupted.',
} as const;

export const EXIT_OUTPUT_FAILED = 74 satisfies keyof typeof EXIT_CODES;
