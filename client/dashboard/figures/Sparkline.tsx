// A small line chart, drawn by hand in SVG.

import { KEPT } from './samples.js';

const WIDTH = 240;
const HEIGHT = 40;
const MARGIN = 3;

interface Props {
  /** What it shows, for those who do not see it. */
  readonly label: string;
  /** Lines by name, from the oldest value to the newest. */
  readonly lines: Readonly<Record<string, readonly (number | null)[]>>;
}

type Point = readonly [x: number, y: number];

// The newest value is at the right edge, however few there are.
function points(values: readonly (number | null)[], top: number): Point[] {
  const step = WIDTH / (KEPT - 1);
  const first = KEPT - values.length;

  return values.flatMap((value, i) => value === null ? [] : [[
    Math.round((first + i) * step * 10) / 10,
    Math.round((HEIGHT - MARGIN - value / top * (HEIGHT - 2 * MARGIN)) * 10)
      / 10,
  ] as const]);
}

function path(line: readonly Point[]): string {
  return line.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${x} ${y}`).join('');
}

function area(line: readonly Point[]): string {
  const first = line[0];
  const last = line[line.length - 1];

  return first === undefined || last === undefined ? ''
    : `${path(line)}L${last[0]} ${HEIGHT}L${first[0]} ${HEIGHT}Z`;
}

/** Lines over the last two minutes; the first has its area filled. */
export function Sparkline({ label, lines }: Props) {
  const values = Object.values(lines).flat()
    .filter((value): value is number => value !== null);
  const top = Math.max(1e-9, ...values) * 1.1;

  return (
    <svg className="spark" role="img" aria-label={label}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none">
      <line className="spark-floor" x1="0" x2={WIDTH} y1={HEIGHT - 0.5}
        y2={HEIGHT - 0.5} />
      {Object.entries(lines).map(([name, line], i) => {
        const drawn = points(line, top);

        return (
          <g key={name} className={`spark-${i}`}>
            {i === 0 && <path className="spark-area" d={area(drawn)} />}
            <path className="spark-line" d={path(drawn)} />
          </g>
        );
      })}
    </svg>
  );
}
