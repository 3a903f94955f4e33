// How good the connection is: a badge, and a card with the figures.

import { useId } from 'react';
import type { ReactNode } from 'react';
import type { Quality, QualityMetrics } from '../core/quality.js';
import type { Status } from '../core/types.js';
import { qualityLabels } from './labels.js';
import type { QualityLabels } from './labels.js';
import { useSettled } from './use-settled.js';

/** What both indicators are given. */
export interface QualityIndicatorProps {
  readonly status: Status;
  readonly metrics: QualityMetrics;
  /** Says another grade aloud; true unless told.  One on a page is enough. */
  readonly announce?: boolean;
  readonly className?: string;
  readonly labels?: Partial<QualityLabels>;
}

const BARS: Readonly<Record<Quality, number>> = {
  Excellent: 4, Good: 3, Fair: 2, Poor: 1, Offline: 0,
};

/** The grade, and the average round trip, in a line. */
export function ConnectionQualityBadge(
  props: QualityIndicatorProps,
): ReactNode {
  const { metrics, className = '', announce = true } = props;
  const { labels, quality, word } = read(props);
  const ms = quality === 'Offline' ? null : metrics.averageLatency;

  return (
    <span className={`conductor conductor-badge ${className}`.trim()}
      data-quality={quality ?? 'none'}>
      <Bars quality={quality} />
      <span className="conductor-aloud">{labels.title}: </span>
      <span className="conductor-grade">{word}</span>
      {ms !== null && (
        <span className="conductor-figure">{labels.milliseconds(ms)}</span>
      )}
      {announce && <Aloud text={`${labels.title}: ${word}`} />}
    </span>
  );
}

/** The grade, and all the figures. */
export function ConnectionQualityCard(
  props: QualityIndicatorProps,
): ReactNode {
  const { metrics, className = '', announce = true } = props;
  const { labels, quality, word } = read(props);
  const id = useId();
  const there = quality !== 'Offline';
  const ms = (value: number | null) =>
    there && value !== null ? labels.milliseconds(value) : labels.none;
  const share = (value: number | null) =>
    there && value !== null && metrics.samples
      ? labels.percent(value) : labels.none;

  return (
    <section className={`conductor conductor-card ${className}`.trim()}
      data-quality={quality ?? 'none'} aria-labelledby={id}
      aria-busy={quality === null}>
      <p className="conductor-head">
        <span className="conductor-title" id={id}>{labels.title}</span>
        <Bars quality={quality} />
        <span className="conductor-grade">{word}</span>
      </p>
      <dl className="conductor-figures">
        <Figure name={labels.latency} value={ms(metrics.latency)} />
        <Figure name={labels.average} value={ms(metrics.averageLatency)} />
        <Figure name={labels.loss} value={share(metrics.packetLoss)} />
        <Figure name={labels.stability} value={share(metrics.stability)} />
      </dl>
      {announce && <Aloud text={`${labels.title}: ${word}`} />}
    </section>
  );
}

/** What is to be shown: without a connection no metrics count. */
function read({ status, metrics, labels: given }: QualityIndicatorProps) {
  const labels = { ...qualityLabels, ...given };
  const quality: Quality | null = status === 'connected'
    ? metrics.quality === 'Offline' ? null : metrics.quality : 'Offline';
  const word = quality === null ? labels.measuring
    : quality !== 'Offline' || status === 'idle' ? labels.quality[quality]
    : `${labels.quality.Offline} \u00b7 ${labels.status[status]}`;

  return { labels, quality, word };
}

function Figure(props: { readonly name: string; readonly value: string }) {
  return (
    <div className="conductor-pair">
      <dt>{props.name}</dt>
      <dd>{props.value}</dd>
    </div>
  );
}

/** Four bars, as many of them filled as the grade is good. */
function Bars({ quality }: { readonly quality: Quality | null }) {
  const filled = quality ? BARS[quality] : 0;

  return (
    <span className="conductor-bars" aria-hidden="true">
      {[1, 2, 3, 4].map((n) => (
        <i key={n} data-on={n <= filled ? '' : undefined} />
      ))}
    </span>
  );
}

function Aloud({ text }: { readonly text: string }) {
  return (
    <span className="conductor-aloud" role="status">
      {useSettled(text)}
    </span>
  );
}
