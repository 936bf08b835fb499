import { useApp, useStdout } from 'ink';
import { useEffect } from 'react';
import { MOUSE_OFF, MOUSE_ON } from '../../keys/mouse.ts';

/**
 * Gives the terminal back while the process is stopped (SIGTSTP), and takes it again when it goes on, also after a SIGSTOP,
 * of which nobody is told before: the shell has left its own modes and words on it. `drawAnew` is called then;
 * always give the same one.
 */
export function useStops(mouse: boolean, drawAnew: () => void): void {
  const { suspendTerminal } = useApp();
  const { stdout } = useStdout();
  useEffect(() => {
    const handOver = async (meanwhile: () => void) => {
      // Of the mouse Ink knows nothing.
      if (mouse) stdout.write(MOUSE_OFF);
      await suspendTerminal(meanwhile);
      if (mouse) stdout.write(MOUSE_ON);
      // Nobody tells a process in the background of another size: Node looks again, as after a resize.
      process.kill(process.pid, 'SIGWINCH');
      drawAnew();
    };
    // Returns when the process goes on.
    const stop = () => void handOver(() => process.kill(process.pid, 'SIGSTOP'));
    const goOn = () => void handOver(() => {});
    process.on('SIGTSTP', stop);
    process.on('SIGCONT', goOn);
    return () => {
      process.off('SIGTSTP', stop);
      process.off('SIGCONT', goOn);
    };
  }, [drawAnew, mouse, stdout, suspendTerminal]);
}
