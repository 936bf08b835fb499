import { createLog } from '../../daemon/base/log/log.ts';

/** Drops every line. */
export const silentLog = createLog({
  level: 'fatal',
  output: { sinks: [], losses: () => ({ dropped: 0, problem: null }) },
});
