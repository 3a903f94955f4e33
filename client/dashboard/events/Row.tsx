// The rows of the list of events; one is rendered once.

import { memo } from 'react';

import type { UnknownEvent } from '../../src/core/types.js';
import { Time } from '../app/Time.js';
import type { Notice } from './entries.js';
import { headline } from './headlines.js';

function Change({ from, to }: { readonly from: string; readonly to: string }) {
  return (
    <>
      {': '}
      <span className="step">{from}</span>
      {' → '}
      <span className="step step-new">{to}</span>
    </>
  );
}

/** What the page says itself. */
export const NoticeRow = memo(function NoticeRow({ notice }: {
  readonly notice: Notice;
}) {
  return (
    <li className="row notice">
      <Time at={notice.at} />
      <p>{notice.text}</p>
    </li>
  );
});

/** An event with all its fields. */
export const EventRow = memo(function EventRow({ event }: {
  readonly event: UnknownEvent;
}) {
  const { title, change, feature, rest } = headline(event);

  return (
    <li className="row" data-type={event.type}>
      <Time at={event.timestamp} />
      <div className="row-text">
        <p className="row-title">
          <b>{title}</b>
          {change !== null && <Change from={change[0]} to={change[1]} />}
        </p>
        <p className="row-rest">
          {feature !== null && <span className="feature">{feature}</span>}
          {title !== event.type && <span>{event.type}</span>}
          {rest.map(([name, value]) => (
            <span key={name} className="pair">{`${name}: ${value}`}</span>
          ))}
        </p>
      </div>
    </li>
  );
});
