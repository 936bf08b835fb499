import { exemptFromProxy } from '../shared/proxy-exemptions.ts';
import { processContext } from './cli/context.ts';
import { handleOutputFailure } from './cli/output/output-failure.ts';
import { runCli } from './cli/run.ts';

handleOutputFailure(process);
exemptFromProxy();
process.exitCode = await runCli(process.argv.slice(2), processContext());
