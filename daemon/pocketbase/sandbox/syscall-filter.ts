/**
 * The seccomp filter of an instance: a program in classic BPF that the kernel runs at each system call.
 *
 * It names what it denies, and denies all calls that are newer than this list. A list of allowed calls would be shorter
 * to defend, but builds of PocketBase differ (PB_BINARY_PATH), and a missing call appears only in rare requests. Under
 * systemd, the list of allowed calls of the unit applies in addition.
 */

import {
  ALLOW,
  AND,
  ARCHITECTURE,
  ARCHITECTURE_AT,
  ARGUMENTS_AT,
  ERRNO,
  encodeFilter,
  type FilterProgram,
  type Instruction,
  JUMP_IF_ANY_BIT,
  JUMP_IF_EQUAL,
  JUMP_IF_GREATER,
  LOAD,
  NUMBER_AT,
  RETURN,
  step,
} from './filter-program.ts';

const EPERM = 1;
const ENOSYS = 38;
const EPROTONOSUPPORT = 93;
const EAFNOSUPPORT = 97;

/** The last call that this list considers (cachestat). Numbers of the x32 interface are higher as well. */
const LAST_KNOWN = 451;

/** Numbers on x86-64. */
export const SYSCALL = {
  write: 1,
  open: 2,
  close: 3,
  poll: 7,
  rt_sigaction: 13,
  rt_sigprocmask: 14,
  ioctl: 16,
  dup2: 33,
  getpid: 39,
  socket: 41,
  sendto: 44,
  recvfrom: 45,
  sendmsg: 46,
  recvmsg: 47,
  bind: 49,
  listen: 50,
  getsockname: 51,
  socketpair: 53,
  setsockopt: 54,
  getsockopt: 55,
  clone: 56,
  execve: 59,
  wait4: 61,
  kill: 62,
  fcntl: 72,
  flock: 73,
  truncate: 76,
  setsid: 112,
  capset: 126,
  personality: 135,
  prctl: 157,
  getpriority: 140,
  setpriority: 141,
  sched_setparam: 142,
  sched_setscheduler: 144,
  tkill: 200,
  sched_setaffinity: 203,
  exit_group: 231,
  epoll_wait: 232,
  epoll_ctl: 233,
  tgkill: 234,
  openat: 257,
  utimensat: 280,
  accept4: 288,
  epoll_create1: 291,
  prlimit64: 302,
  sched_setattr: 314,
  seccomp: 317,
  memfd_create: 319,
  clone3: 435,
  pidfd_open: 434,
  pidfd_getfd: 438,
  landlock_create_ruleset: 444,
  landlock_add_rule: 445,
  landlock_restrict_self: 446,
} as const;

/** Calls that are denied with all arguments. */
const DENIED: Record<string, readonly number[]> = {
  // ptrace, process_vm_readv, process_vm_writev, process_madvise, process_mrelease, kcmp, move_pages, migrate_pages
  'memory of other processes': [101, 310, 311, 440, 448, 312, 279, 256],
  // pidfd_open, pidfd_getfd, pidfd_send_signal, rt_sigqueueinfo, rt_tgsigqueueinfo, tkill, ioprio_set
  'other processes': [434, 438, 424, 129, 297, 200, 251],
  // unshare, setns, mount, umount2, move_mount, open_tree, fsopen, fsconfig, fsmount, fspick, mount_setattr, pivot_root, chroot
  namespaces: [272, 308, 165, 166, 429, 428, 430, 431, 432, 433, 442, 155, 161],
  // chmod, fchmodat, chown, lchown, fchownat, utime, utimes, futimesat: Landlock does not cover changes of attributes
  'attributes of files by path': [90, 268, 92, 94, 260, 132, 235, 261],
  // setxattr, lsetxattr, removexattr, lremovexattr
  'extended attributes by path': [188, 189, 197, 198],
  // setsid, setpgid: a stop signals the process group
  'process group': [112, 109],
  // mknod, mknodat, open_by_handle_at
  files: [133, 259, 304],
  // shmget, shmat, shmctl, semget, semop, semctl, semtimedop, msgget, msgsnd, msgrcv, msgctl, mq_open, mq_unlink
  'shared memory and queues of the user': [29, 30, 31, 64, 65, 66, 220, 68, 69, 70, 71, 240, 241],
  // add_key, request_key, keyctl
  keys: [248, 249, 250],
  // bpf, perf_event_open, userfaultfd, fanotify_init, modify_ldt, vhangup, uselib, syslog, lookup_dcookie, acct
  kernel: [321, 298, 323, 300, 154, 153, 134, 103, 212, 163],
  // kexec_load, kexec_file_load, init_module, finit_module, delete_module, swapon, swapoff, reboot, iopl, ioperm
  'kernel, for root': [246, 320, 175, 313, 176, 167, 168, 169, 172, 173],
  // sethostname, setdomainname, settimeofday, clock_settime, clock_adjtime, adjtimex, quotactl, quotactl_fd
  'host, for root': [170, 171, 164, 227, 305, 159, 179, 443],
};

/** Calls that programs replace by an older one when the kernel does not have them: clone3, openat2, io_uring_*. */
const UNKNOWN = [435, 437, 425, 426, 427];

/** Calls that the filter allows first: read, write, pread64, pwrite64, futex, epoll_pwait, nanosleep. */
const FREQUENT = [0, 1, 17, 18, 202, 281, 35];

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const NAMESPACE_FLAGS = 0x7e02_0000;
const AF_INET = 2;
const AF_INET6 = 10;
/** Without SOCK_NONBLOCK and SOCK_CLOEXEC. */
const SOCKET_TYPE_MASK = 0xf;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
/** Not MPTCP, whose sockets Landlock does not see. */
const PROTOCOLS = { any: 0, tcp: 6, udp: 17 };
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const QUERY_PERSONALITY = 0xffff_ffff;
const O_ACCMODE = 3;
const O_TRUNC = 0o1000;

const allow = () => step(RETURN, ALLOW);
const deny = (error: number) => step(RETURN, ERRNO | error);
const loadArgument = (index: number) => step(LOAD, ARGUMENTS_AT + 8 * index);

/** Runs `block` for one call. Each block ends with a decision. */
function on(number: number, block: readonly Instruction[]): Instruction[] {
  return [step(JUMP_IF_EQUAL, number, 0, block.length), ...block];
}

/** Allows the call when an argument has one of the values, which end before `error`. */
function allowOnly(index: number, values: readonly Instruction['constant'][], error = EPERM, mask?: number) {
  return [...require(index, values, error, mask), allow()];
}

/** Denies the call unless an argument has one of the values; continues otherwise. */
function require(
  index: number,
  values: readonly Instruction['constant'][],
  error: number,
  mask?: number,
): Instruction[] {
  return [
    loadArgument(index),
    ...(mask === undefined ? [] : [step(AND, mask)]),
    ...values.map((value, position) => step(JUMP_IF_EQUAL, value, values.length - position, 0)),
    deny(error),
  ];
}

/** As `require`, for the upper half of an argument of 64 bits. */
function requireHigh(index: number, value: number): Instruction[] {
  return [step(LOAD, ARGUMENTS_AT + 8 * index + 4), step(JUMP_IF_EQUAL, value, 1, 0), deny(EPERM)];
}

/** Denies the call when an argument has one of the bits. */
function denyBits(index: number, bits: number): Instruction[] {
  return [loadArgument(index), step(JUMP_IF_ANY_BIT, bits, 0, 1), deny(EPERM), allow()];
}

function denyValues(index: number, values: readonly number[]): Instruction[] {
  return [
    loadArgument(index),
    ...values.map((value, position) => step(JUMP_IF_EQUAL, value, values.length - position, 0)),
    allow(),
    deny(EPERM),
  ];
}

/** Landlock before version 3 does not cover truncation. */
function denyTruncation(flagsIndex: number): Instruction[] {
  return [
    loadArgument(flagsIndex),
    step(AND, O_ACCMODE | O_TRUNC),
    step(JUMP_IF_EQUAL, O_TRUNC, 0, 1),
    deny(EPERM),
    allow(),
  ];
}

function filterOf({ truncation }: FilterOptions): Instruction[] {
  const self = [0, 'pid'] as const;
  return [
    step(LOAD, ARCHITECTURE_AT),
    step(JUMP_IF_EQUAL, ARCHITECTURE, 1, 0),
    deny(ENOSYS),
    step(LOAD, NUMBER_AT),
    ...FREQUENT.flatMap((number) => on(number, [allow()])),
    step(JUMP_IF_GREATER, LAST_KNOWN, 0, 1),
    deny(ENOSYS),
    ...Object.values(DENIED)
      .flat()
      .flatMap((number) => on(number, [deny(EPERM)])),
    ...UNKNOWN.flatMap((number) => on(number, [deny(ENOSYS)])),
    ...on(SYSCALL.kill, allowOnly(0, ['pid'])),
    ...on(SYSCALL.tgkill, allowOnly(0, ['pid'])),
    ...on(SYSCALL.prlimit64, allowOnly(0, self)),
    ...on(SYSCALL.sched_setaffinity, allowOnly(0, self)),
    ...on(SYSCALL.sched_setparam, allowOnly(0, self)),
    ...on(SYSCALL.sched_setscheduler, allowOnly(0, self)),
    ...on(SYSCALL.sched_setattr, allowOnly(0, self)),
    ...on(SYSCALL.setpriority, [...require(0, [0], EPERM), ...allowOnly(1, self)]),
    ...on(SYSCALL.personality, allowOnly(0, [QUERY_PERSONALITY])),
    ...on(SYSCALL.clone, denyBits(0, NAMESPACE_FLAGS)),
    ...on(SYSCALL.ioctl, denyValues(1, [TIOCSTI, TIOCLINUX])),
    // Times of an open file: the path is null in both halves.
    ...on(SYSCALL.utimensat, [...require(1, [0], EPERM), ...requireHigh(1, 0), allow()]),
    ...on(SYSCALL.socket, [
      ...require(0, [AF_INET, AF_INET6], EAFNOSUPPORT),
      ...require(1, [SOCK_STREAM, SOCK_DGRAM], EPERM, SOCKET_TYPE_MASK),
      ...allowOnly(2, Object.values(PROTOCOLS), EPROTONOSUPPORT),
    ]),
    // With a datagram socket, sendto(2) reaches the sockets of other programs.
    ...on(SYSCALL.socketpair, allowOnly(1, [SOCK_STREAM], EPERM, SOCKET_TYPE_MASK)),
    ...(truncation
      ? [
          ...on(SYSCALL.truncate, [deny(EPERM)]),
          ...on(SYSCALL.open, denyTruncation(1)),
          ...on(SYSCALL.openat, denyTruncation(2)),
        ]
      : []),
    allow(),
  ];
}

export interface FilterOptions {
  /** Whether the filter denies truncation of files, because Landlock does not. */
  truncation: boolean;
}

export function syscallFilter(options: FilterOptions): FilterProgram {
  return encodeFilter(filterOf(options));
}
