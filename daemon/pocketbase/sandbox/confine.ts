import { closeSync, fstatSync } from 'node:fs';
import { Memory } from './call-memory.ts';
import { openForRule } from './file-view.ts';
import {
  fileRulesetAttributes,
  LANDLOCK_CREATE_RULESET_VERSION,
  LANDLOCK_VERSION,
  pathRule,
} from './landlock.ts';
import type { Libc } from './libc.ts';
import {
  capsetArguments,
  execArguments,
  F_SETFD,
  ownMask,
  PR_SET_NO_NEW_PRIVS,
  required,
} from './run-calls.ts';
import { pathsAround } from './surroundings.ts';
import { SYSCALL } from './syscall-filter.ts';

/** Files that a process cannot use, except those that are visible. */
export interface Confinement {
  hidden: readonly string[];
  visible: readonly string[];
}

export interface Program {
  file: string;
  /** With the name of the program. */
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Open files that it gets, from 0 on. */
  files: number;
}

/**
 * Capabilities that a process of root loses: with them, it would read other processes or change the kernel.
 * CAP_DAC_READ_SEARCH, SYS_MODULE, SYS_RAWIO, SYS_PTRACE, SYS_ADMIN, SYS_BOOT, MKNOD, PERFMON, BPF
 */
const DROPPED_CAPABILITIES = [2, 16, 17, 19, 21, 22, 27, 38, 39];

/**
 * Replaces this process by a program that cannot use some files, gain rights, trace or signal other processes. It has to
 * run on the main thread: the restrictions of one thread become those of the program.
 *
 * @throws when the host does not offer it; this process then continues unchanged, or without the right to gain others
 */
export function becomeConfined(libc: Libc, confinement: Confinement, program: Program): never {
  const call: SystemCall = (name, number, ...args) => required(name, libc.syscall(number, ...args));
  const memory = new Memory(libc);
  const version = call('Landlock', SYSCALL.landlock_create_ruleset, 0, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < LANDLOCK_VERSION.refer) {
    throw new Error(`Landlock version ${version}, and version ${LANDLOCK_VERSION.refer} is needed`);
  }
  const attributes = fileRulesetAttributes(version);
  const ruleset = call(
    'landlock_create_ruleset',
    SYSCALL.landlock_create_ruleset,
    memory.bytes(attributes),
    attributes.length,
    0,
  );
  for (const path of [...pathsAround(confinement.hidden), ...confinement.visible]) {
    const fd = openPath(path);
    if (fd === null) continue;
    const rule = pathRule('all', { fd, isDirectory: fstatSync(fd).isDirectory() }, version);
    // Pipes and sockets have no rules.
    libc.syscall(SYSCALL.landlock_add_rule, ruleset, rule.type, memory.bytes(rule.attributes), 0);
    closeSync(fd);
  }
  dropCapabilities(memory, call);
  call('no_new_privs', SYSCALL.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  call('landlock_restrict_self', SYSCALL.landlock_restrict_self, ruleset, 0);
  // Node closes them for its children.
  for (let fd = 0; fd < program.files; fd += 1) call('fcntl', SYSCALL.fcntl, fd, F_SETFD, 0);
  call('execve', SYSCALL.execve, ...execArguments(memory, program));
  throw new Error('unreachable');
}

type SystemCall = (name: string, number: number, ...args: (number | bigint)[]) => number;

function dropCapabilities(memory: Memory, call: SystemCall): void {
  const permitted = ownMask('CapPrm');
  const kept = DROPPED_CAPABILITIES.reduce((set, number) => set & ~(1n << BigInt(number)), permitted);
  if (kept !== permitted) call('capset', SYSCALL.capset, ...capsetArguments(memory, kept));
}

/** Null for a path that does not exist or cannot be reached. */
function openPath(path: string): number | null {
  try {
    return openForRule(path);
  } catch {
    return null;
  }
}
