// The server's own figures, as small charts.

import { Panel } from '../app/Panel.js';
import { Refusals } from './Refusals.js';
import { brief, type Sample } from './samples.js';
import { Sparkline } from './Sparkline.js';
import { Tile } from './Tile.js';
import { useFigures, type Figures as Known } from './useFigures.js';

const OVER = 'over the last two minutes';

const WHY = {
  loading: 'Asking the server.',
  away: 'The server does not answer at the moment.',
  refused: 'The server shows its figures only to those at its own machine. '
    + 'Nothing else on this page needs them.',
  known: '',
};

function spoken(name: string, values: readonly number[]): string {
  const now = values[values.length - 1] ?? null;

  return `${name} ${OVER}: now ${brief(now)}, `
    + `lowest ${brief(values.length > 0 ? Math.min(...values) : null)}, `
    + `highest ${brief(values.length > 0 ? Math.max(...values) : null)}`;
}

function Charts({ samples, last }: {
  readonly samples: readonly Sample[];
  readonly last: Sample;
}) {
  const connections = samples.map((each) => each.connections);
  const rates = samples.map((each) => each.rate);
  const { p50, p95, p99 } = last.latency;
  const refused = Object.values(last.refusals).reduce((a, b) => a + b, 0);

  return (
    <div className="tiles">
      <Tile id="connections" title="Connections"
        value={brief(last.connections)}>
        <Sparkline label={spoken('Connections', connections)}
          lines={{ connections }} />
      </Tile>
      <Tile id="deliveries" title="Deliveries" value={brief(last.rate)}
        unit="a second">
        <Sparkline lines={{ rates }} label={spoken('Deliveries a second',
          rates.filter((rate): rate is number => rate !== null))} />
      </Tile>
      <Tile id="latency" title="Latency, median" value={brief(p50)} unit="ms">
        <Sparkline label={`Latency in milliseconds ${OVER}: median `
          + `${brief(p50)}, 95th percentile ${brief(p95)}, `
          + `99th percentile ${brief(p99)}`}
          lines={{
            p50: samples.map((each) => each.latency.p50),
            p95: samples.map((each) => each.latency.p95),
            p99: samples.map((each) => each.latency.p99),
          }} />
        <p className="legend">
          <span className="key-0">p50 {brief(p50)}</span>
          <span className="key-1">p95 {brief(p95)}</span>
          <span className="key-2">p99 {brief(p99)}</span>
        </p>
      </Tile>
      <Tile id="refusals" title="Refusals" value={brief(refused)}>
        <Refusals refusals={last.refusals} />
      </Tile>
    </div>
  );
}

function summary({ samples, status }: Known): string | undefined {
  const last = samples[samples.length - 1];

  return last === undefined || status !== 'known' ? undefined
    : `${last.workers} ${last.workers === 1 ? 'worker' : 'workers'}, `
      + `${brief(last.kept)} of ${brief(last.keptLimit)} events kept`;
}

/** Connections, deliveries, latency and refusals, or why they are not shown. */
export function Figures() {
  const figures = useFigures();
  const last = figures.samples[figures.samples.length - 1];

  return (
    <Panel id="figures" title="The server" note={summary(figures)}>
      {figures.status !== 'known'
        && <p className="soft" id="figures-why">{WHY[figures.status]}</p>}
      {last !== undefined && <Charts samples={figures.samples} last={last} />}
    </Panel>
  );
}
