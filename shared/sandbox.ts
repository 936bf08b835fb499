/** How much of the host a PocketBase process can reach, from the smallest view to no restriction. */
export const SANDBOX_LEVELS = ['full', 'files', 'syscalls', 'none'] as const;

export type SandboxLevel = (typeof SANDBOX_LEVELS)[number];

/** Values of PB_SANDBOX. A level makes it a requirement; `auto` takes the best level that the host supports. */
export const SANDBOX_SETTINGS = ['auto', 'full', 'files', 'syscalls', 'off'] as const;

export type SandboxSetting = (typeof SANDBOX_SETTINGS)[number];
