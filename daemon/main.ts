import { processContext } from './cli/context.ts';
import { handleOutputFailure } from './cli/output-failure.ts';
import { runCli } from './cli/run.ts';

handleOutputFailure(process);
process.exitCode = await runCli(process.argv.slice(2), processContext());
