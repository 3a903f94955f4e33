// The quality of a connection, over a clock that a test turns.

import { describe, expect, it, vi } from 'vitest';
import { ConductorError } from '../src/core/error.js';
import { createQuality, grade } from '../src/core/quality.js';
import type { QualityOptions } from '../src/core/quality.js';
import type { Reply, Send } from '../src/core/types.js';
import { FakeClock } from './fake.js';

type Trip = number | 'lost' | ConductorError;

/** A monitor whose pings take as long as the test says. */
function monitor(options: Partial<QualityOptions> = {}) {
  const clock = new FakeClock();
  const trips: Trip[] = [];
  let pings = 0;

  const send = vi.fn<Send>((command, how) => new Promise((resolve, reject) => {
    const trip = trips.shift() ?? 10;

    pings++;

    if (trip === 'lost') {
      clock.setTimeout(() => reject(new ConductorError('timeout', 'lost')),
        how?.timeout ?? 0);
    } else if (typeof trip === 'number') {
      clock.setTimeout(() => resolve(
        { type: 'pong', id: 1, of: command.type } as Reply), trip);
    } else {
      reject(trip);
    }
  }));

  const quality = createQuality(
    { send, status: 'connected', clock, ...options });

  return { clock, trips, send, quality, pings: () => pings };
}

/** The figures after some round trips. */
async function after(...trips: Trip[]) {
  const { clock, trips: due, quality } = monitor();

  due.push(...trips);
  quality.start();
  await clock.pass(10_000 * trips.length - 1);

  // a lost one is known when its time is over
  if (trips.includes('lost')) {
    await clock.pass(1);
  }

  return quality.metrics;
}

describe('a clock that is set', () => {
  it.each([-3_600_000, 3_600_000])(
    'by %i ms is no reason to stop measuring', async (ms) => {
      const { clock, quality, pings } = monitor();

      quality.start();
      await clock.pass(1);
      clock.set(ms);
      await clock.pass(20_100);
      expect(pings()).toBeGreaterThan(1);
      expect(quality.metrics.latency).toBe(10);
    },
  );
});

describe('the quality of a connection', () => {
  it.each([
    [0, 'Excellent'], [99, 'Excellent'], [99.9, 'Excellent'],
    [100, 'Good'], [249, 'Good'], [250, 'Fair'], [499, 'Fair'],
    [500, 'Poor'], [9000, 'Poor'],
  ])('of %d ms is %s', (ms, name) => {
    expect(grade(ms)).toBe(name);
  });

  it('is that of the round trips now and on average', async () => {
    expect(await after(40, 80, 120)).toMatchObject({
      latency: 120, averageLatency: 80, packetLoss: 0, samples: 3,
      quality: 'Excellent',
    });
  });

  it('is that of the last ten', async () => {
    expect(await after(9000, ...Array<number>(10).fill(300)))
      .toMatchObject({
        averageLatency: 300, samples: 10, quality: 'Fair', stability: 100,
      });
  });

  it('counts what is not answered as lost', async () => {
    expect(await after(40, 'lost', 40, 40)).toMatchObject(
      { packetLoss: 25, latency: 40, averageLatency: 40, samples: 4 });
  });

  it('is poor if nothing is answered', async () => {
    expect(await after('lost', 'lost')).toMatchObject(
      { packetLoss: 100, latency: null, averageLatency: null,
        quality: 'Poor' });
  });

  it('is less stable the more round trips differ', async () => {
    expect((await after(200, 200)).stability).toBe(100);
    expect((await after(100, 300)).stability).toBe(50);
    expect((await after(1, 1, 1, 5000)).stability).toBe(0);
  });

  it('is stable where round trips differ by a millisecond', async () => {
    expect((await after(1, 3)).stability).toBe(98);
  });

  it('is no stability before there are two', async () => {
    expect((await after(40)).stability).toBeNull();
  });

  it('is unknown before the first answer', async () => {
    expect(monitor().quality.metrics).toMatchObject(
      { quality: null, samples: 0 });
  });

  it('is Offline while not connected', async () => {
    const { clock, quality } = monitor();
    const offline = {
      quality: 'Offline', latency: null, averageLatency: null,
      packetLoss: 0, stability: null, samples: 0,
    };

    quality.start();
    await clock.pass(20);
    expect(quality.metrics.quality).toBe('Excellent');
    quality.setStatus('waiting');
    expect(quality.metrics).toEqual(offline);
    expect(monitor({ status: 'idle' }).quality.metrics).toEqual(offline);
  });
});

describe('measuring', () => {
  it('sends a ping every ten seconds that does not wait', async () => {
    const { clock, quality, send, pings } = monitor();

    quality.start();
    await clock.pass(0);
    expect(send).toHaveBeenLastCalledWith(
      { type: 'ping' }, { queue: false, timeout: 10_000 });
    await clock.pass(30_000);
    expect(pings()).toBe(4);
  });

  it('goes at the pace that is asked for', async () => {
    const { clock, quality, pings } = monitor({ checkInterval: 2000 });

    quality.start();
    await clock.pass(10_000);
    expect(pings()).toBe(6);
  });

  it('is done once a second at most', async () => {
    const { clock, quality, pings } = monitor({ checkInterval: 1 });

    quality.start();
    await clock.pass(3000);
    expect(pings()).toBe(4);
  });

  it('begins when it is started, and ends when it is stopped', async () => {
    const { clock, quality, pings } = monitor();

    await clock.pass(60_000);
    expect(pings()).toBe(0);
    quality.start();
    quality.start();
    await clock.pass(0);
    expect(pings()).toBe(1);
    quality.stop();
    await clock.pass(60_000);
    expect(pings()).toBe(1);
    expect(clock.pending).toBe(0);
    quality.start();
    quality.stop();
    await clock.pass(60_000);
    expect(pings()).toBe(1);
  });

  it('rests while not connected and begins anew after that', async () => {
    const { clock, quality, pings } = monitor();

    quality.start();
    await clock.pass(100);
    quality.setStatus('waiting');
    await clock.pass(60_000);
    expect(pings()).toBe(1);
    quality.setStatus('connected');
    await clock.pass(100);
    expect(pings()).toBe(2);
    expect(quality.metrics.samples).toBe(1);
  });

  it('waits as long as the server says', async () => {
    const { clock, quality, trips, pings } = monitor();

    trips.push(new ConductorError('rate_limited', 'slow', {
      type: 'error', code: 'rate_limited', error: 'slow', rateLimited: true,
      retryAfterMs: 41_000,
    }));
    quality.start();
    await clock.pass(40_999);
    expect(pings()).toBe(1);
    expect(quality.metrics).toMatchObject({ packetLoss: 0, samples: 1 });
    await clock.pass(1);
    expect(pings()).toBe(2);
  });

  it('rests while the page is hidden', async () => {
    const page = Object.assign(new EventTarget(),
      { visibilityState: 'visible' });
    const show = (state: string) => {
      page.visibilityState = state;
      page.dispatchEvent(new Event('visibilitychange'));
    };

    vi.stubGlobal('document', page);

    const { clock, quality, trips, pings } = monitor();

    trips.push('lost');
    quality.start();
    await clock.pass(100);
    show('hidden');
    await clock.pass(60_000);
    expect(pings()).toBe(1);
    expect(quality.metrics.samples).toBe(0);
    show('visible');
    await clock.pass(100);
    expect(pings()).toBe(2);
    quality.stop();
    show('hidden');
    show('visible');
    await clock.pass(60_000);
    expect(pings()).toBe(2);
  });

  it('tells of other figures, and only of others', async () => {
    const { clock, quality } = monitor();
    let told = 0;

    quality.onChange(() => told++);
    quality.start();
    await clock.pass(95_000);
    told = 0;

    const { metrics } = quality;

    await clock.pass(50_000);
    expect(told).toBe(0);
    expect(quality.metrics).toBe(metrics);
  });
});
