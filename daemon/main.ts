import { processContext } from './cli/context.ts';
import { endWithReader } from './cli/reader.ts';
import { runCli } from './cli/run.ts';

endWithReader(process.stdout);
process.exitCode = await runCli(process.argv.slice(2), processContext());
