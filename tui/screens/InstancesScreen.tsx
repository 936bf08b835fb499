import type { Instance } from '../../shared/instance.ts';
import { Lines } from '../widgets/Lines.tsx';
import type { View } from './console.ts';
import { instancesLines } from './instances-lines.ts';

export function InstancesScreen({ view, rows }: { view: View; rows: readonly Instance[] }) {
  return <Lines lines={instancesLines(view, rows)} height={view.size.rows} />;
}
