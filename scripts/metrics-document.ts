import { METRIC_NAMES, type MetricName, specOf } from '../daemon/metrics/metrics-table.ts';
import { markdownTable } from './markdown.ts';

/** The whole of `docs/metrics.md`. */
export function metricsDocument(): string {
  const [open, named] = [false, true].map((perDatabase) =>
    METRIC_NAMES.filter((name) => (specOf(name).perDatabase ?? false) === perDatabase),
  );
  return [
    '# Metrics',
    '<!-- written by `npm run docs:metrics` from daemon/metrics/metrics-table.ts -->',
    ABOUT,
    '## Without a token',
    table(open ?? []),
    '## Of each database',
    NAMED,
    table(named ?? []),
  ]
    .join('\n\n')
    .concat('\n');
}

const ABOUT = `\`GET /metrics\` answers in the text format of Prometheus. Counters and histograms start at 0 with the daemon, as \`rate()\`
and \`increase()\` expect. Readings of memory, processor and disk are at most 60 seconds old.

[Monitoring](monitoring/README.md) has a scrape configuration, alerts and a dashboard. A release keeps names and labels,
or lists old and new ones in the [changelog](../CHANGELOG.md).

| part | number of series |
|---|---|
| the daemon | about 150 with a few routes in use, about 2,000 with all of them |
| each task handler | 18 |
| each awake database | 12; with METRICS_DATABASES=all also each sleeping and stopped one |

More than 1,000 combinations of labels are counted as \`other\`.`;

const NAMED = `The name of a database contains a part of its owner's e-mail address. So these series need the permission \`metrics.read\`
or \`databases.read\` on all databases: a session of an administrator, operator or viewer, an API key, or the local socket.
\`database\` is the name, \`kind\` is \`user\` or \`global\`.

A database has series while it has a process, and while it should run and does not. Sleeping and stopped databases count in
the totals only, so the number of series is that of awake databases (\`MAX_AWAKE\`). [\`METRICS_DATABASES\`](settings.md)
adds or removes series.`;

function table(names: readonly MetricName[]): string {
  return markdownTable(
    ['name', 'type', 'labels', 'series', 'meaning'],
    names.map((name) => {
      const { type, labels, series, help } = specOf(name);
      return [`\`${name}\``, type, labels.map((label) => `\`${label}\``).join(', '), series, help];
    }),
  );
}
