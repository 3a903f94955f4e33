// @vitest-environment jsdom
// What axe-core has to say of the components.

import { cleanup, render } from '@testing-library/react';
import axe from 'axe-core';
import type { ReactElement } from 'react';
import { afterEach, describe, expect, it } from 'vitest';
import { OFFLINE } from '../src/core/quality.js';
import type { QualityMetrics } from '../src/core/quality.js';
import type { Reviewer } from '../src/core/types.js';
import {
  ConnectionQualityBadge, ConnectionQualityCard, ReviewerPresence,
} from '../src/react/index.js';
import type { PresenceView } from '../src/react/index.js';
import { reviewer } from './fake-page.js';

const good: QualityMetrics = {
  latency: 120, averageLatency: 130, packetLoss: 10, stability: 95,
  quality: 'Good', samples: 10,
};

afterEach(cleanup);

/** What it finds; colours are not seen here, the style's test has them. */
async function faults(element: ReactElement): Promise<string[]> {
  const { container } = render(<main>{element}</main>);
  const { violations } = await axe.run(container,
    { rules: { 'color-contrast': { enabled: false } } });

  return violations.map(({ id, help }) => `${id}: ${help}`);
}

/** Who is there, for a component without a connection. */
function view(...people: object[]): PresenceView {
  const reviewers = people as Reviewer[];

  return {
    reviewers, total: reviewers.length, me: null, known: true, stale: false,
  };
}

describe('axe-core finds nothing in', () => {
  it.each([
    ['a list', <ReviewerPresence key="" presence={view(
      reviewer('alice', { role: 'a' }), reviewer('bob'))} />],
    ['an empty list', <ReviewerPresence key="" presence={view()} />],
    ['a list that is waited for', <ReviewerPresence key=""
      presence={{ ...view(), known: false }} />],
    ['a list that is old', <ReviewerPresence key=""
      presence={{ ...view(reviewer('bob')), stale: true }} />],
    ['a badge', <ConnectionQualityBadge key="" status="connected"
      metrics={good} />],
    ['a card', <ConnectionQualityCard key="" status="connected"
      metrics={good} />],
    ['a card that is offline', <ConnectionQualityCard key=""
      status="closed" metrics={OFFLINE} />],
  ])('%s', async (_, element) => {
    expect(await faults(element)).toEqual([]);
  });
});
