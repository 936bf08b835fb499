import { basename } from 'node:path';

/** Why hooks were not loaded, from the output of PocketBase. */
export interface HookFailure {
  /** The file that PocketBase loads, or the path of a file that it loads. */
  file: string;
  line: number | null;
  /** Without file and line. */
  why: string;
}

const LOADING = /failed to execute (\S+\.pb\.[jt]s):?\s*(?:- )?(.*)/;
const THROWN = /\s*\(?\bat (?:\S+ \()?(\S+\.[jt]s):(\d+):\d+\(\d+\)\)?/;
const SYNTAX = /(\S+\.[jt]s): Line (\d+):\d+ /;
/** PocketBase calls every hook by this name. */
const SCRIPT = 'pb.js';

/** Null when the text reports no hook that does not load. */
export function hookFailure(text: string): HookFailure | null {
  const [, hook, message] = LOADING.exec(text) ?? [];
  if (hook === undefined || message === undefined) return null;
  const [, path = SCRIPT, line] = SYNTAX.exec(message) ?? THROWN.exec(message) ?? [];
  const why = message
    .replace(SYNTAX, '')
    .replace(THROWN, '')
    .replace(/ at github\.com\/\S+ \(native\)/, '')
    .replace(/^(?:GoError: )?(\w*Error: )\1?/, '$1')
    .trim();
  return {
    file: basename(path) === SCRIPT ? hook : path,
    line: line === undefined ? null : Number(line),
    why,
  };
}
