// How good the connection is.

import { Panel } from '../app/Panel.js';
import { ConnectionQualityCard, type ConnectionQuality } from
  '../../src/react/index.js';
import type { Status } from '../../src/core/types.js';

interface Props {
  readonly status: Status;
  readonly metrics: ConnectionQuality;
}

/** The card of the package, as a part of the page. */
export function Quality({ status, metrics }: Props) {
  return (
    <Panel id="quality" title="Your connection">
      <div id="quality">
        <ConnectionQualityCard status={status} metrics={metrics} />
      </div>
    </Panel>
  );
}
