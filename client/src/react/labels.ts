// The words of the components, which an application may replace.

import type { Quality } from '../core/quality.js';
import type { ReviewerStatus, Status } from '../core/types.js';

/** The words of {@link ReviewerPresence}. */
export interface PresenceLabels {
  readonly title: string;
  readonly loading: string;
  readonly empty: string;
  readonly stale: string;
  readonly you: string;
  readonly nobody: string;
  readonly noFeature: string;
  readonly online: string;
  readonly more: (count: number) => string;
  readonly here: (count: number) => string;
  readonly status: Readonly<Record<ReviewerStatus, string>>;
}

/** The words of the indicators of quality. */
export interface QualityLabels {
  readonly title: string;
  readonly measuring: string;
  readonly latency: string;
  readonly average: string;
  readonly loss: string;
  readonly stability: string;
  readonly none: string;
  readonly milliseconds: (ms: number) => string;
  readonly percent: (share: number) => string;
  readonly quality: Readonly<Record<Quality, string>>;
  readonly status: Readonly<Record<Status, string>>;
}

/** In English. */
export const presenceLabels: PresenceLabels = {
  title: 'Reviewers',
  loading: 'Waiting for the list',
  empty: 'Nobody is here',
  stale: 'Not connected: this is how it was',
  you: 'you',
  nobody: 'guest',
  noFeature: 'no feature',
  online: 'online for',
  more: (count) => `and ${count} more`,
  here: (count) => count === 1 ? '1 reviewer here' : `${count} reviewers here`,
  status: { online: 'online', away: 'away', busy: 'busy', offline: 'offline' },
};

/** In English. */
export const qualityLabels: QualityLabels = {
  title: 'Connection quality',
  measuring: 'Measuring',
  latency: 'Latency',
  average: 'Average',
  loss: 'Packet loss',
  stability: 'Stability',
  none: '\u2013',
  milliseconds: (ms) => `${Math.round(ms)} ms`,
  percent: (share) => `${share} %`,
  quality: {
    Excellent: 'Excellent', Good: 'Good', Fair: 'Fair', Poor: 'Poor',
    Offline: 'Offline',
  },
  status: {
    idle: 'Not connected', connecting: 'Connecting', connected: 'Connected',
    waiting: 'Reconnecting', closed: 'Refused',
  },
};
