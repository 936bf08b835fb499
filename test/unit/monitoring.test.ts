import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { METRIC_NAMES, specOf } from '../../daemon/metrics/metrics-table.ts';
import { metricsDocument } from '../../scripts/metrics-document.ts';

const docs = (path: string) => readFileSync(join(import.meta.dirname, '../../docs', path), 'utf8');

it('docs/metrics.md lists the metrics; `npm run docs:metrics` writes it', () => {
  expect(docs('metrics.md')).toBe(metricsDocument());
});

it.each(['monitoring/fathom.rules.yml', 'monitoring/grafana-dashboard.json'])(
  '%s names metrics that exist',
  (path) => {
    const series = new Set(
      METRIC_NAMES.flatMap((name) =>
        specOf(name).type === 'histogram'
          ? ['_bucket', '_sum', '_count'].map((suffix) => name + suffix)
          : [name],
      ),
    );
    const named = docs(path).match(/\b(?:fathom|process|nodejs)_[a-z_]+\b/g) ?? [];
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((name) => !series.has(name))).toEqual([]);
  },
);
