// One row of the list of events.

import { memo } from 'react';

import { Time } from '../app/Time.js';
import type { Entry } from './entries.js';
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

/** An event with all its fields, or a notice. */
export const Row = memo(function Row({ entry }: { readonly entry: Entry }) {
  if (entry.kind === 'notice') {
    return (
      <li className="row notice">
        <Time at={entry.notice.at} />
        <p>{entry.notice.text}</p>
      </li>
    );
  }

  const { event } = entry;
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
