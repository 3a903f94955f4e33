// The live events: filtered, held still, or gone back through.

import { useMemo, useRef, useState } from 'react';

import type { Client, UnknownEvent } from '../../src/core/types.js';
import { useEvents, type EventsResult } from '../../src/react/index.js';
import { Panel } from '../app/Panel.js';
import { brief } from '../figures/samples.js';
import { Announcer } from './Announcer.js';
import { entries, type Entry } from './entries.js';
import { Filter } from './Filter.js';
import { Guide } from './Guide.js';
import { ReplayBar } from './ReplayBar.js';
import { EventRow, NoticeRow } from './Row.js';
import { useFilter } from './useFilter.js';
import { useNotices } from './useNotices.js';
import { useReplay, type Replay } from './useReplay.js';

interface Props {
  readonly client: Client;
  readonly role: string | null;
}

function Buttons({ live, replay, begin }: {
  readonly live: EventsResult;
  readonly replay: Replay;
  readonly begin: () => void;
}) {
  const { paused, held } = live;
  const past = replay.status !== 'off';
  const pause = useRef<HTMLButtonElement>(null);

  // the button is gone then: the next one takes its focus
  function goBack(): void {
    pause.current?.focus();
    begin();
  }

  function goOn(): void {
    replay.end();
    live.resume();
  }

  return (
    <>
      {paused && (
        <span id="waiting" className="note">
          {held === 0 ? 'Nothing new waits' : `${brief(held)} new wait`}
        </span>
      )}
      <button type="button" id="pause" ref={pause}
        data-on={paused ? '' : undefined} onClick={paused ? goOn : live.pause}>
        {past ? 'Back to live' : paused ? 'Go on' : 'Pause'}
      </button>
      {!past && (
        <button type="button" id="replay" onClick={goBack}>Replay</button>
      )}
    </>
  );
}

function List({ rows, empty }: {
  readonly rows: readonly Entry[];
  readonly empty: string;
}) {
  return (
    <div className="scroll" tabIndex={0} role="region" id="events-region"
      aria-labelledby="events-title">
      {rows.length === 0 && empty !== ''
        && <p className="soft nothing">{empty}</p>}
      <ol id="events" role="list">
        {rows.map((entry) => entry.kind === 'event'
          ? <EventRow key={entry.key} event={entry.event} />
          : <NoticeRow key={entry.key} notice={entry.notice} />)}
      </ol>
    </div>
  );
}

// Counts what came, also what is not kept any more.
function useTotal(events: readonly UnknownEvent[]): number {
  const count = useRef({ total: 0, last: '' });
  const last = events[events.length - 1]?.eventId ?? '';

  if (last !== count.current.last) {
    const at = events.findIndex(
      ({ eventId }) => eventId === count.current.last);

    count.current = {
      total: count.current.total + events.length - 1 - at,
      last,
    };
  }

  return count.current.total;
}

// A value as it is, or as it was when it began to be held.
function useHeld<T>(value: T, hold: boolean): T {
  const [kept, keep] = useState(value);

  if (!hold && kept !== value) {
    keep(value);
  }

  return hold ? kept : value;
}

/** The list of events with all that is done to it. */
export function Events({ client, role }: Props) {
  const live = useEvents<string>();
  const { events, paused } = live;
  const notices = useNotices(client);
  const told = useHeld(notices, paused);
  const filter = useFilter(client);
  const replay = useReplay(client);
  const total = useTotal(events);
  const past = replay.status !== 'off';
  const shown = past ? replay.shown : events;

  const rows = useMemo(
    () => entries(shown, past ? [] : told, filter.wanted),
    [shown, past, told, filter.wanted]);

  const fresh = !past && events.length === 0 && notices.length === 0;

  return (
    <Panel id="events" title={past ? 'Replay' : 'Live events'}
      note={past ? undefined : <span id="count">{brief(total)}</span>}
      tools={<Buttons live={live} replay={replay} begin={() => {
        live.pause();
        replay.begin(filter.wanted);
      }} />}>
      {past ? <ReplayBar replay={replay} wanted={filter.wanted} />
        : <Filter {...filter} />}
      {fresh ? <Guide /> : (
        <List rows={rows} empty={past ? '' : 'Nothing of this kind yet.'} />
      )}
      {role !== null && !fresh && (
        <p className="soft foot">
          Shown as the role <b>{role}</b> may see it: the server leaves out
          the other fields before it sends.
        </p>
      )}
      <Announcer events={events} total={total} />
    </Panel>
  );
}
