// The top of the page: what this is, who you are, how it is connected.

import type { ReactNode } from 'react';

import type { Client, State } from '../../src/core/types.js';
import { nameOf } from '../app/useTitle.js';
import { Connection } from './Connection.js';

interface Props {
  readonly client: Client;
  readonly state: State;
  /** The quality of the connection. */
  readonly children?: ReactNode;
}

function Identity({ state }: { readonly state: State }) {
  const { welcome, status } = state;

  if (welcome === null || status === 'closed') {
    return null;
  }

  return (
    <div className="who">
      <p id="identity" title={welcome.connectionId}>
        You are <b>{nameOf(welcome)}</b>
      </p>
      <p className="soft">
        on <span id="server">{welcome.server}</span>
      </p>
    </div>
  );
}

function Mark() {
  return (
    <svg className="mark" viewBox="0 0 16 16" aria-hidden="true">
      <g className="mark-lines">
        <path d="M3.5 8h2M5.5 8l5-4.6M5.5 8h6M5.5 8l5 4.6" />
      </g>
      <circle cx="3" cy="8" r="2" />
      <circle cx="12.4" cy="2.9" r="1.6" />
      <circle cx="13.2" cy="8" r="1.6" />
      <circle cx="12.4" cy="13.1" r="1.6" />
    </svg>
  );
}

/** The banner of the page. */
export function Header({ client, state, children }: Props) {
  return (
    <header className="top">
      <div className="brand">
        <Mark />
        <h1>Conductor</h1>
        <p className="soft">What one publishes, everyone sees at once.</p>
      </div>
      <Identity state={state} />
      <div className="link">
        <Connection client={client} state={state} />
        {children}
      </div>
    </header>
  );
}
