import { processContext } from './cli/context.ts';
import { runCli } from './cli/run.ts';

// `fathomd users list | head -1` closes the pipe early, which is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), processContext());
