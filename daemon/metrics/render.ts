import { type Gauge, Registry } from 'prom-client';
import { METRIC_NAMES, specOf } from './metrics-table.ts';
import { type Reading, samplesOf } from './samples.ts';

/** Renders the metrics in the text format of Prometheus. */
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
    // The registry needs only these members; the classes of prom-client would keep counts of their own.
    registry.registerMetric(metric as unknown as Gauge);
  }
  return { contentType: registry.contentType, text: await registry.metrics() };
}
