// Who is there, as a list.

import { memo, useContext, useMemo } from 'react';
import type { ReactNode } from 'react';
import type { Reviewer } from '../core/types.js';
import { SessionContext } from './context.js';
import { presenceLabels } from './labels.js';
import type { PresenceLabels } from './labels.js';
import { TimeOnline } from './time-online.js';
import { usePresence } from './use-presence.js';
import type { PresenceResult } from './use-presence.js';
import { useSettled } from './use-settled.js';

/** What a {@link ReviewerPresence} is given; all of it may be missing. */
export interface ReviewerPresenceProps {
  /** In place of the presence of the provider above. */
  readonly presence?: PresenceView;
  /** How many to show; 50 unless told. */
  readonly limit?: number;
  /** How to show a feature, such as a link to it. */
  readonly renderFeature?: (feature: string) => ReactNode;
  /** Says aloud how many there are when that changes; true unless told. */
  readonly announce?: boolean;
  readonly className?: string;
  readonly labels?: Partial<PresenceLabels>;
}

/** As much of {@link usePresence} as is shown. */
export type PresenceView =
  Pick<PresenceResult, 'reviewers' | 'total' | 'me' | 'known' | 'stale'>;

/**
 * Who is there: a badge for the status, the feature, and the time online.
 *
 * @example
 * ```tsx
 * <ReviewerPresence renderFeature={(f) => <a href={`/f/${f}`}>{f}</a>} />
 * ```
 */
export function ReviewerPresence(props: ReviewerPresenceProps): ReactNode {
  const { presence, ...rest } = props;

  return presence ? <List {...rest} presence={presence} />
    : <Connected {...rest} />;
}

function Connected(props: Omit<ReviewerPresenceProps, 'presence'>): ReactNode {
  return <List {...props} presence={usePresence()} />;
}

type ListProps =
  ReviewerPresenceProps & { readonly presence: PresenceView };

function List(props: ListProps): ReactNode {
  const { presence, limit = 50, announce = true, className = '' } = props;
  const { reviewers, total, me, known, stale } = presence;
  const skew = useContext(SessionContext)?.skew ?? 0;
  const labels = useMemo(
    () => ({ ...presenceLabels, ...props.labels }), [props.labels]);
  const shown = reviewers.slice(0, limit);
  const said = useSettled(known ? labels.here(total) : '');

  return (
    <section className={`conductor conductor-presence ${className}`.trim()}
      aria-label={labels.title} aria-busy={!known}
      data-stale={stale && known ? '' : undefined}>
      <p className="conductor-head">
        <span className="conductor-title">{labels.title}</span>
        {known && <span className="conductor-count">{total}</span>}
      </p>
      {!known && <p className="conductor-note">{labels.loading}</p>}
      {known && stale && <p className="conductor-note">{labels.stale}</p>}
      {known && !total && <p className="conductor-note">{labels.empty}</p>}
      {shown.length > 0 && (
        <ul className="conductor-list" role="list">
          {shown.map((one) => (
            <Row key={one.reviewerId} reviewer={one} skew={skew}
              mine={one.reviewerId === me?.reviewerId} labels={labels}
              renderFeature={props.renderFeature} />
          ))}
        </ul>
      )}
      {total > shown.length && (
        <p className="conductor-note">
          {labels.more(total - shown.length)}
        </p>
      )}
      {announce && (
        <p className="conductor-aloud" role="status">{said}</p>
      )}
    </section>
  );
}

interface RowProps {
  readonly reviewer: Reviewer;
  readonly mine: boolean;
  readonly skew: number;
  readonly labels: PresenceLabels;
  readonly renderFeature: ((feature: string) => ReactNode) | undefined;
}

const Row = memo(function Row(
  { reviewer, mine, skew, labels, renderFeature }: RowProps,
) {
  const { reviewerId, userId, role, status, currentFeature } = reviewer;
  const name = userId || (reviewerId.startsWith('conn_')
    ? `${labels.nobody} ${reviewerId.slice(-4)}` : reviewerId);

  return (
    <li className="conductor-reviewer">
      <span className="conductor-avatar" aria-hidden="true"
        data-status={status}>
        {[...name].slice(0, 2).join('').toUpperCase()}
      </span>
      <span className="conductor-name">
        {name}{mine && <> ({labels.you})</>}
        {role && <>{' '}<span className="conductor-role">{role}</span></>}
      </span>
      <span className="conductor-status" data-status={status}>
        {labels.status[status] ?? status}
      </span>
      <span className="conductor-feature">
        {currentFeature === null || currentFeature === undefined
          ? <span className="conductor-none">{labels.noFeature}</span>
          : renderFeature?.(currentFeature) ?? currentFeature}
      </span>
      <span className="conductor-since">
        <span className="conductor-aloud">{labels.online} </span>
        <TimeOnline since={reviewer.connectedAt} skew={skew} />
      </span>
    </li>
  );
});
