import { type Gauge, Registry } from 'prom-client';
import { METRIC_NAMES, specOf } from './metrics-table.ts';
import { type Reading, samplesOf } from './samples.ts';

/** The metrics of this moment in Prometheus' text format. */
export async function renderMetrics(
  reading: Reading,
  { perDatabase }: { perDatabase: boolean },
): Promise<{ contentType: string; text: string }> {
  const registry = new Registry();
  for (const name of METRIC_NAMES) {
    const { help, type, perDatabase: isPerDatabase = false } = specOf(name);
    if (isPerDatabase && !perDatabase) continue;
    const values = samplesOf(name, reading).map(({ labels, value, suffix = '' }) => ({
      labels,
      value,
      metricName: name + suffix,
    }));
    const metric = { name, help, type, get: async () => ({ name, help, type, values }) };
    // All that a registry asks of a metric; its own classes would count by themselves, from the first scrape on.
    registry.registerMetric(metric as unknown as Gauge);
  }
  return { contentType: registry.contentType, text: await registry.metrics() };
}
