// The plain page of a started server: connect, see events, publish one.

const DELAYS = [1000, 2000, 4000, 8000];
const SHOWN = 200;

const $ = (id) => document.getElementById(id);

let socket;
let timer;
let attempts = 0;


// A fragment is never sent to a server, nor written to its log.
function token() {
  return new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
}


function show(state, text) {
  $('state').dataset.state = state;
  $('state').textContent = text;
}


function connect() {
  clearTimeout(timer);

  const bearer = token();
  const protocols = ['conductor.v1'];

  if (bearer) {
    protocols.push(`bearer.${bearer}`);
  }

  show('waiting', 'Connecting');

  const url = new URL('.', location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';

  try {
    socket = new WebSocket(url, protocols);
  } catch {
    show('failed', 'The token in this link is no token');
    return;
  }

  const mine = socket;

  mine.onmessage = (event) => {
    if (mine === socket) {
      receive(JSON.parse(event.data));
    }
  };

  mine.onclose = (event) => {
    if (mine === socket) {
      closed(event);
    }
  };
}


// Codes from 4500 on are final, and an expired token stays expired.
function closed({ code, reason }) {
  $('identity').textContent = '';

  if (code === 4401) {
    show('closed', 'The token is missing or has expired: start from a new link');
    return;
  }

  if (code >= 4500) {
    show('closed', `Refused: ${reason || code}`);
    return;
  }

  const asked = /\bretry=(\d+)/.exec(reason);
  const step = DELAYS[Math.min(attempts++, DELAYS.length - 1)];
  const delay = asked ? Number(asked[1]) : step;

  show('waiting', `Disconnected (${code}), trying again in `
                  + `${Math.max(1, Math.round(delay / 1000))} s`);
  timer = setTimeout(connect, delay);
}


function receive(message) {
  if (message.type === 'welcome') {
    attempts = 0;
    show('open', 'Connected');
    $('identity').textContent = message.userId
      ? `${message.userId}${message.role ? `, ${message.role}` : ''}`
        + ` (${message.connectionId})`
      : message.connectionId;
    return;
  }

  const { type, timestamp, eventId, ...fields } = message;

  if (eventId !== undefined || type === 'error') {
    list(type, timestamp ?? Date.now(), fields);
  }
}


function list(type, timestamp, fields) {
  const item = document.createElement('li');
  const name = document.createElement('b');
  const time = document.createElement('time');
  const text = document.createElement('div');
  const date = new Date(timestamp);

  name.textContent = type;
  time.dateTime = date.toISOString();
  time.textContent = date.toLocaleTimeString();
  text.textContent = Object.entries(fields)
    .map(([key, value]) => `${key}: ${
      typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('\n');

  item.append(name, time, text);
  $('events').prepend(item);
  $('empty').hidden = true;

  while ($('events').children.length > SHOWN) {
    $('events').lastElementChild.remove();
  }
}


async function publish(event) {
  event.preventDefault();

  const headers = { 'Content-Type': 'application/json' };
  const bearer = token();

  if (bearer) {
    headers.Authorization = `Bearer ${bearer}`;
  }

  const body = JSON.stringify({
    type: 'task-status-changed',
    ...Object.fromEntries(new FormData(event.target)),
  });

  try {
    const response = await fetch('publish', { method: 'POST', headers, body });
    const answer = await response.json().catch(() => ({}));

    $('answer').textContent = response.ok
      ? 'Published'
      : `Refused (${response.status}): ${answer.error ?? response.statusText}`;
  } catch {
    $('answer').textContent = 'The server cannot be reached';
  }
}


$('publish').addEventListener('submit', publish);

window.addEventListener('hashchange', () => {
  socket?.close(1000);
  attempts = 0;
  connect();
});

connect();
