import { useApp, useStdout } from 'ink';
import { useEffect, useLayoutEffect, useSyncExternalStore } from 'react';
import { MOUSE_OFF, MOUSE_ON } from '../../keys/mouse.ts';

/** The value of a store. A change draws a new frame. */
export function useObservable<T>(store: {
  readonly get: () => T;
  readonly subscribe: (listener: () => void) => () => void;
}): T {
  return useSyncExternalStore(store.subscribe, store.get);
}

/** Turns mouse reports of the terminal on, and off before the terminal is given back. */
export function useMouse(isOn: boolean): void {
  const { stdout } = useStdout();
  useLayoutEffect(() => {
    if (!isOn) return;
    stdout.write(MOUSE_ON);
    return () => void stdout.write(MOUSE_OFF);
  }, [stdout, isOn]);
}

/**
 * Gives the terminal back while the process is stopped (SIGTSTP), and takes it again when it continues. Also handles a
 * SIGSTOP, which a process cannot catch: the shell has then changed the modes and the content of the terminal.
 *
 * @param redraw called after the process continues; always pass the same function
 */
export function useSuspend(mouse: boolean, redraw: () => void): void {
  const { suspendTerminal } = useApp();
  const { stdout } = useStdout();
  useEffect(() => {
    const handOver = async (meanwhile: () => void) => {
      // Ink does not know about the mouse.
      if (mouse) stdout.write(MOUSE_OFF);
      await suspendTerminal(meanwhile);
      if (mouse) stdout.write(MOUSE_ON);
      // A process in the background is not notified of a new size. This makes Node read the size again.
      process.kill(process.pid, 'SIGWINCH');
      redraw();
    };
    // SIGSTOP returns when the process continues.
    const stop = () => void handOver(() => process.kill(process.pid, 'SIGSTOP'));
    const resume = () => void handOver(() => {});
    process.on('SIGTSTP', stop);
    process.on('SIGCONT', resume);
    return () => {
      process.off('SIGTSTP', stop);
      process.off('SIGCONT', resume);
    };
  }, [redraw, mouse, stdout, suspendTerminal]);
}
