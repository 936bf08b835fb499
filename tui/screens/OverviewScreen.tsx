import { Lines } from '../widgets/Lines.tsx';
import type { View } from './console.ts';
import { overviewLines } from './overview-lines.ts';

export function OverviewScreen({ view }: { view: View }) {
  return <Lines lines={overviewLines(view)} height={view.size.rows} />;
}
