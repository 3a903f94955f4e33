// @vitest-environment jsdom
// Presence that follows the history of the page.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fake, settle } from './fake.js';
import { trackNavigation } from '../src/index.js';

const feature = (url: URL) => url.pathname.slice(1) + url.hash || null;

// Lets the page do what it does in its next turn.
const turn = () => new Promise((done) => setTimeout(done, 5));

let end: () => void = () => undefined;

beforeEach(() => history.replaceState(null, '', '/'));
afterEach(() => end());

const track = () => {
  const set = vi.fn<(p: { currentFeature: string | null }) => void>();

  end = trackNavigation({ set }, { feature });
  return () => set.mock.calls.map(([{ currentFeature }]) => currentFeature);
};

describe('navigation', () => {
  it('says where the page is, and where it goes', async () => {
    const said = track();

    await turn();
    history.pushState(null, '', '/search');
    await turn();
    history.replaceState(null, '', '/checkout');
    await turn();
    expect(said()).toEqual([null, 'search', 'checkout']);
  });

  it('goes back, too', async () => {
    history.pushState(null, '', '/one');
    history.pushState(null, '', '/two');

    const said = track();

    await turn();
    history.back();
    await vi.waitFor(() => expect(said()).toEqual(['two', 'one']));
  });

  it('goes to a place in the page', async () => {
    const said = track();

    await turn();
    location.hash = 'part';
    await vi.waitFor(() => expect(said()).toEqual([null, '#part']));
  });

  it('says nothing where nothing is different', async () => {
    const said = track();

    await turn();
    history.pushState(null, '', '/?page=2');
    await turn();
    expect(said()).toEqual([null]);
  });

  it('says the last of several in one turn', async () => {
    const said = track();

    history.pushState(null, '', '/one');
    history.pushState(null, '', '/two');
    await turn();
    expect(said()).toEqual(['two']);
  });

  it('says nothing after its end, whatever it was about to say', async () => {
    const said = track();

    history.pushState(null, '', '/one');
    history.pushState(null, '', '/two');
    end();
    await turn();
    expect(said()).toEqual([]);
  });

  it('leaves the history as it was', async () => {
    const { pushState } = history;
    const said = track();

    expect(history.pushState).not.toBe(pushState);
    await turn();
    end();
    expect(history.pushState).toBe(pushState);
    expect(Object.keys(history)).not.toContain('pushState');
    history.pushState(null, '', '/late');
    await turn();
    expect(said()).toEqual([null]);
  });

  it('leaves to others what they have put in its place', async () => {
    const said = track();
    const ours = history.pushState;
    const theirs = vi.fn<typeof ours>(function (this: History, ...args) {
      ours.apply(this, args);
    });

    history.pushState = theirs;
    await turn();
    end();
    expect(history.pushState).toBe(theirs);
    history.pushState(null, '', '/late');
    await turn();
    expect(location.pathname).toBe('/late');
    expect(said()).toEqual([null]);
    delete (history as Partial<History>).pushState;
  });

  it('may be tracked twice', async () => {
    const { pushState } = history;
    const one = track();
    const endOne = end;
    const two = track();

    await turn();
    endOne();
    history.pushState(null, '', '/two');
    await turn();
    end();
    expect(one()).toEqual([null]);
    expect(two()).toEqual([null, 'two']);
    history.pushState(null, '', '/three');
    await turn();
    expect(two()).toEqual([null, 'two']);
    expect(pushState).toBeTypeOf('function');
    delete (history as Partial<History>).pushState;
    delete (history as Partial<History>).replaceState;
  });

  it('is told to a client, on each connection', async () => {
    const it = fake();

    end = trackNavigation(it.client, { feature });
    await turn();
    await it.up();
    expect(it.socket.sent).toMatchObject(
      [{ type: 'presence-update', currentFeature: null }]);
    history.pushState(null, '', '/search');
    await turn();
    expect(it.socket.last('presence-update'))
      .toMatchObject({ currentFeature: 'search' });
    it.socket.end();
    await it.again();
    it.socket.welcome();
    await settle();
    expect(it.socket.last('presence-update'))
      .toMatchObject({ currentFeature: 'search' });
    end();
    it.socket.end();
    await it.again();
    it.socket.welcome();
    expect(it.socket.last('presence-update')).toBeUndefined();
  });

  it('does nothing where there is no page', () => {
    vi.stubGlobal('window', undefined);

    const set = vi.fn();

    trackNavigation({ set }, { feature })();
    expect(set).not.toHaveBeenCalled();
  });
});
