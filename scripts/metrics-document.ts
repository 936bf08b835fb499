import { METRIC_NAMES, type MetricName, specOf } from '../daemon/metrics/metrics-table.ts';
import { markdownTable } from './markdown-table.ts';

/** The whole of `docs/metrics.md`. */
export function metricsDocument(): string {
  const [open, named] = [false, true].map((perDatabase) =>
    METRIC_NAMES.filter((name) => (specOf(name).perDatabase ?? false) === perDatabase),
  );
  return [
    '# Metrics',
    '<!-- written by `npm run docs:metrics` from daemon/metrics/metrics-table.ts -->',
    ABOUT,
    '## Open to everybody',
    table(open ?? []),
    '## Of each database',
    NAMED,
    table(named ?? []),
  ]
    .join('\n\n')
    .concat('\n');
}

const ABOUT = `\`GET /metrics\` answers in Prometheus' text format. Counters and histograms begin with the daemon: a restart sets them to
0, which \`rate()\` and \`increase()\` expect. Readings of memory, processor and disk are at most 60 seconds old.

[monitoring/](monitoring/) has a scrape configuration, alerts and a dashboard for Grafana that work with these names. A
release keeps names and labels, or lists old and new ones in the [changelog](../CHANGELOG.md).

**Number of series.** About 150 for the daemon with a few routes in use, about 2,000 with all of them, and 18 for each
task handler; past 1,000 combinations of labels the rest is counted as \`other\`. 9 series for each database: 1,000
databases make 9,000. A deleted database leaves none behind.`;

const NAMED = `The name of a database holds a part of its owner's e-mail address, so these are shown to sessions of administrators,
operators and viewers, over the local socket, and to API keys with the permission \`metrics.read\` (or
\`databases.read\`). \`database\` is the name, \`kind\` is \`user\` or \`global\`.`;

function table(names: readonly MetricName[]): string {
  return markdownTable(
    ['name', 'type', 'labels', 'series', 'meaning'],
    names.map((name) => {
      const { type, labels, series, help } = specOf(name);
      return [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(', '), series, help];
    }),
  );
}
