import { Lines } from '../widgets/Lines.tsx';
import { paintLine } from '../widgets/line.ts';
import type { View } from './console.ts';
import { logLines } from './log-lines.ts';
import { summaryLines } from './summary-lines.ts';

export function InstanceScreen({ view }: { view: View }) {
  const { fleet, ui, theme, size } = view;
  const name = ui.instance ?? '';
  const instance = fleet.instances.get(name);
  const tab = (id: 'summary' | 'logs', title: string) =>
    [ui.tab === id ? 'chosen' : 'muted', ` ${title} `] as const;
  const head = paintLine(
    theme,
    [['strong', ` ${name}`], ['plain', '  '], tab('summary', 'Summary'), ['plain', ' '], tab('logs', 'Logs')],
    size.columns,
  );
  if (instance === undefined) {
    const gone = theme.paint('warn', ` ${name} is not there any more: it was deleted. Esc leads back.`);
    return <Lines lines={[head, '', gone]} height={size.rows} />;
  }
  const log = fleet.log?.name === name ? fleet.log : null;
  const body =
    ui.tab === 'logs' ? logLines(view, log) : ['', ...summaryLines(view, instance).slice(ui.summaryTop)];
  return <Lines lines={[head, ...body]} height={size.rows} />;
}
