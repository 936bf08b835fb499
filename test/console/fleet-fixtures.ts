import type { AuditEntry } from '../../shared/api/audit.ts';
import type { DaemonUsage } from '../../shared/api/daemon.ts';
import type { Instance, Usage } from '../../shared/api/instances.ts';
import type { Task, TaskSummary } from '../../shared/api/queue.ts';

const MIB = 1024 ** 2;

export function ago(seconds: number): string {
  return new Date(Date.now() - seconds * 1000).toISOString();
}

export function ahead(seconds: number): string {
  return ago(-seconds);
}

/** A healthy user database, with changes. */
export function instance(name: string, changes: Partial<Instance> = {}): Instance {
  const owner = name.replace(/^\d{4}-\d{2}-\d{2}-\d{3,}-/, '');
  return {
    name,
    kind: 'user',
    user_id: `u_${owner}`,
    email: `${owner}@example.com`,
    phase: 'running',
    since: ago(3600),
    desired: 'running',
    reason: null,
    port: 9001,
    url: 'http://127.0.0.1:9001',
    pid: 5001,
    started_at: ago(3600),
    restarts: 0,
    run: 1,
    attempt: 0,
    max_attempts: null,
    next_attempt_at: null,
    last_exit: null,
    crashes: null,
    created_at: ago(86_400),
    db_path: `/var/lib/fathom/user_dbs/${name}/pb_data`,
    pocketbase_version: '0.39.1',
    pinned_version: null,
    probe: { at: ago(5), ok: true, latency_ms: 1.4, error: null },
    usage: usage(7.2 * MIB, 0.3),
    limits: { memory_bytes: null, disk_bytes: null, sleep_after: 0 },
    developer: false,
    access: 'app',
    applications: ['documents'],
    moved: null,
    sandbox: { level: 'full', reason: null },
    node: null,
    ...changes,
  };
}

export function globalInstance(changes: Partial<Instance> = {}): Instance {
  return instance('global', {
    kind: 'global',
    user_id: null,
    email: null,
    port: 8090,
    url: 'http://127.0.0.1:8090',
    pid: 4712,
    db_path: '/var/lib/fathom/global/pb_data',
    ...changes,
  });
}

/** What a crash loop looks like: `backing off 8 s · exit 1 · address in use · attempt 4/10`. */
export function backingOff(name: string, changes: Partial<Instance> = {}): Instance {
  return instance(name, {
    phase: 'backing_off',
    since: ago(1),
    reason: { code: 'port_in_use', message: 'port 9002: address in use by another process' },
    pid: null,
    started_at: null,
    restarts: 4,
    attempt: 4,
    max_attempts: 10,
    next_attempt_at: ahead(8.4),
    last_exit: { code: 1, signal: null, at: ago(1), uptime_s: 0, ended_by: null },
    probe: null,
    usage: null,
    ...changes,
  });
}

/** Crashes although it has served: `backing off 4 m 20 s · SIGKILL · 12 crashes in 10 minutes`. */
export function crashLoop(name: string, changes: Partial<Instance> = {}): Instance {
  return backingOff(name, {
    reason: { code: 'killed', message: 'killed by SIGKILL' },
    restarts: 12,
    attempt: 12,
    max_attempts: null,
    next_attempt_at: ahead(260.4),
    last_exit: { code: null, signal: 'SIGKILL', at: ago(1), uptime_s: 2, ended_by: null },
    crashes: { count: 12, since: ago(601), last_at: ago(1) },
    ...changes,
  });
}

export function failed(name: string, changes: Partial<Instance> = {}): Instance {
  return instance(name, {
    phase: 'failed',
    since: ago(200),
    reason: {
      code: 'hook_broken',
      message:
        'hook main.pb.js is broken: ReferenceError: foo is not defined; correct it and force a restart',
      log_tail: ['failed to execute main.pb.js: ReferenceError: foo is not defined', 'exit status 2'],
    },
    pid: null,
    started_at: null,
    restarts: 3,
    attempt: 3,
    max_attempts: 3,
    last_exit: { code: 2, signal: null, at: ago(200), uptime_s: 0, ended_by: null },
    probe: null,
    usage: null,
    ...changes,
  });
}

export function usage(pss_bytes: number, cpu_percent: number): Usage {
  return {
    at: ago(1),
    pss_bytes,
    cpu_percent,
    sustained_cpu_percent: cpu_percent,
    disk_bytes: 3 * MIB,
    open_connections: 2,
  };
}

export function daemonUsage(changes: Partial<DaemonUsage> = {}): DaemonUsage {
  return {
    at: ago(0),
    rss_bytes: 82 * MIB,
    cpu_percent: 1.2,
    event_loop_delay_ms: 0.8,
    load_1m: 0.42,
    memory_free_bytes: 3.1 * 1024 * MIB,
    memory_total_bytes: 8 * 1024 * MIB,
    processors: 4,
    disk_free_bytes: 41 * 1024 * MIB,
    disk_path: '/var/lib/fathom',
    disk_reserve_bytes: 256 * MIB,
    writes_held: false,
    ...changes,
  };
}

/** Many databases that run, named as real ones are. */
export function fleetOf(count: number): Instance[] {
  return Array.from({ length: count }, (_, index) => {
    const number = String(index + 1).padStart(3, '0');
    return instance(`2026-11-21-${number}-user${number}`, { port: 9000 + index, pid: 10_000 + index });
  });
}

/** A pending task, with changes. */
export function task(id: string, changes: Partial<TaskSummary> = {}): TaskSummary {
  return {
    id,
    type: 'report.weekly',
    user_id: null,
    status: 'pending',
    priority: 0,
    run_at: ago(1),
    attempts: 0,
    max_attempts: 5,
    timeout_s: 300,
    unique_key: null,
    worker_id: null,
    claimed_at: null,
    progress: 0,
    progress_message: '',
    cancel_requested: false,
    by_owner: false,
    error_signature: null,
    last_error: null,
    finished_at: null,
    created: ago(60),
    updated: ago(1),
    ...changes,
  };
}

/** The same with what it was given and what came of it. */
export function wholeTask(summary: TaskSummary, changes: Partial<Task> = {}): Task {
  return {
    ...summary,
    payload: {},
    secret: false,
    lease_expires_at: null,
    answer: null,
    result: null,
    errors: null,
    ...changes,
  };
}

export function auditEntry(seq: number, changes: Partial<AuditEntry> = {}): AuditEntry {
  return {
    seq,
    at: ago(60 - seq),
    actor_kind: 'local',
    actor: '',
    address: 'local',
    action: 'database.stop',
    target: '',
    outcome: 'refused',
    detail: '',
    request_id: 'r',
    ...changes,
  };
}
