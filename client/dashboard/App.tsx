// The whole page.

import {
  ConductorProvider, ConnectionQualityBadge, useConnectionQuality,
  useWebSocket,
} from '../src/react/index.js';
import { beside, remembered, token } from './app/link.js';
import { useTitle } from './app/useTitle.js';
import { Events } from './events/Events.js';
import { Figures } from './figures/Figures.js';
import { Header } from './header/Header.js';
import { People } from './people/People.js';
import { Publish } from './publish/Publish.js';
import { Quality } from './quality/Quality.js';
import { Queue } from './queue/Queue.js';

const CONNECTION = { url: beside('.'), ...token(), ...remembered() };

function Page() {
  const { client, state } = useWebSocket();
  const quality = useConnectionQuality();

  useTitle(state.welcome);

  return (
    <>
      <Header client={client} state={state}>
        {state.status === 'connected' && (
          <ConnectionQualityBadge status={state.status} metrics={quality}
            announce={false} />
        )}
      </Header>
      <main>
        <div className="side-a">
          <People />
          <Quality status={state.status} metrics={quality} />
        </div>
        <Events client={client} role={state.welcome?.role ?? null} />
        <div className="side-b">
          <Publish client={client} />
          <Queue client={client} state={state} />
        </div>
        <Figures />
      </main>
    </>
  );
}

/** The dashboard of the hub beside whose page it lies. */
export function App() {
  return <ConductorProvider {...CONNECTION}><Page /></ConductorProvider>;
}
