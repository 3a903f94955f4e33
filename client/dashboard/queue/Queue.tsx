// What waits for the connection, and the switch to work without one.

import { useRef } from 'react';

import type { Client, Command, Fields, State } from '../../src/core/types.js';
import { useOfflineQueue } from '../../src/react/index.js';
import { Panel } from '../app/Panel.js';
import { Time } from '../app/Time.js';
import { headline } from '../events/headlines.js';

interface Props {
  readonly client: Client;
  readonly state: State;
}

const LIMIT = 100;

function words(command: Command): string {
  const event = command['event'];

  if (command.type !== 'publish' || typeof event !== 'object'
    || event === null) {
    return command.type;
  }

  const { title, change } = headline(event as Fields);

  return change === null ? title : `${title}: ${change[0]} → ${change[1]}`;
}

function Meter({ size, limit }: {
  readonly size: number;
  readonly limit: number;
}) {
  return (
    <svg className="meter" viewBox="0 0 100 4" preserveAspectRatio="none"
      role="img" aria-label={`${size} of ${limit} places are taken`}>
      <rect className="meter-all" width="100" height="4" />
      <rect className="meter-full" height="4"
        width={size === 0 ? 0 : Math.max(1, size / limit * 100)} />
    </svg>
  );
}

function hint(state: State, size: number): string {
  if (state.status === 'closed') {
    return 'This page may not connect: nothing new is taken.';
  }

  if (size === 0) {
    return state.status === 'connected'
      ? 'Empty: what you publish is sent at once. Without a connection it'
        + ' waits here, over a reload of the page too.'
      : 'Empty. What you publish now waits here until you are connected.';
  }

  return state.status === 'connected' ? 'Being sent, in this order.'
    : 'Sent in this order, each once, as soon as you are connected.';
}

/** The offline queue: see it fill and drain. */
export function Queue({ client, state }: Props) {
  const { items, clearQueue } = useOfflineQueue();
  const chosen = state.status === 'idle';
  const offline = useRef<HTMLButtonElement>(null);

  // the button is gone then: another one takes its focus
  function clear(): void {
    offline.current?.focus();
    clearQueue();
  }

  return (
    <Panel id="queue" title="Offline queue"
      note={<span id="queued">{items.length}</span>}
      tools={state.status !== 'closed' && (
        <button type="button" id="offline" ref={offline}
          onClick={() => chosen ? client.connect() : client.disconnect()}>
          {chosen ? 'Go online' : 'Work offline'}
        </button>
      )}>
      <Meter size={items.length} limit={LIMIT} />
      <p className="soft" id="queue-hint">{hint(state, items.length)}</p>
      {items.length > 0 && (
        <>
          <ol id="queue" role="list" className="queue" tabIndex={0}
            aria-labelledby="queue-title">
            {items.map((item) => (
              <li key={item.key}>
                <Time at={item.at} />
                <span>{words(item.command)}</span>
              </li>
            ))}
          </ol>
          <button type="button" id="clear" onClick={clear}>Clear</button>
        </>
      )}
    </Panel>
  );
}
