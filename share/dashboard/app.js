// The plain page of a started server: connect, see who is here and what
// happens, filter that, publish an event.

const DELAYS = [1000, 2000, 4000, 8000];
const SHOWN = 200;

const NEW_LINK = 'Open a link that the server printed when it started.';

// What the codes of a refusal mean to somebody at this page.
const REFUSALS = {
  no_token: `This address has no token, which says who you are. ${NEW_LINK}`,
  bad_token: `The token of this link is not valid here. ${NEW_LINK}`,
  token_expired: `The token of this link has expired. ${NEW_LINK}`,
  bad_origin: 'The server does not allow pages of this address.',
  bad_role: 'Your role may not connect here.',
  revoked: 'Your access was revoked.',
};

// The headline of an event and the fields that are in it.
const HEADLINES = {
  'task-status-changed': [['taskId', 'oldStatus', 'newStatus'],
    (task, before, after) => `${task}: ${before} → ${after}`],
  'stakeholder-review': [['featureSlug', 'verdict'],
    (feature, verdict) => `${feature}: ${verdict ?? 'reviewed'}`],
  'admin-notification': [['level', 'message'],
    (level, message) => `${level}: ${message}`],
};

const $ = (id) => document.getElementById(id);

let socket;
let timer;
let attempts = 0;
let received = 0;
let role;
let seen;           // the position of the last event before a loss
let commands = 0;
let told;           // what this page has said of its person

// Who is here, by reviewer.
const here = new Map();

// Commands without an answer, by id, with who waits for it.
const waiting = new Map();


// A fragment is never sent to a server, nor written to its log.
function token() {
  return new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
}


function show(state, text) {
  $('state').dataset.state = state;
  $('state').textContent = text;
  $('again').hidden = state !== 'lost';
}


function connect() {
  clearTimeout(timer);
  show('waiting', 'Connecting…');

  const bearer = token();
  const protocols = ['conductor.v1'];

  if (bearer) {
    protocols.push(`bearer.${bearer}`);
  }

  const url = new URL('.', location.href);
  url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';

  // with a position to resume from, nothing comes before that is asked for
  url.search = seen === undefined ? '' : '?hold=1';

  try {
    socket = new WebSocket(url, protocols);
  } catch {
    show('refused', REFUSALS.bad_token);
    return;
  }

  const mine = socket;

  mine.onmessage = ({ data }) => {
    if (mine === socket) {
      receive(JSON.parse(data));
    }
  };

  mine.onclose = (event) => {
    if (mine === socket) {
      closed(event);
    }
  };
}


function reconnect() {
  const old = socket;
  socket = undefined;
  old?.close();
  attempts = 0;
  connect();
}


// Codes from 4500 on are final, and a bad token does not become good.
function closed({ code, reason }) {
  if (code === 4401 || (code >= 4500 && code < 5000)) {
    $('identity').textContent = '';
    waiting.clear();
    answer('', '');
    show('refused', (code === 4401 && !token() && REFUSALS.no_token)
      || REFUSALS[reason]
      || `The server refused this connection (${reason || code}).`);
    return;
  }

  const asked = /\bretry=(\d+)/.exec(reason);
  const step = DELAYS[Math.min(attempts++, DELAYS.length - 1)];
  const delay = asked ? Number(asked[1]) : step;
  const seconds = Math.max(1, Math.round(delay / 1000));

  const why = code === 4429 ? 'Too many connections from this address'
    : code === 1012 ? 'The server is restarting or stopping'
      : attempts > 1 ? 'The server cannot be reached' : 'Connection lost';

  show('lost', `${why}. Trying again in ${seconds} s.`);
  timer = setTimeout(connect, delay);
}


function receive(message) {
  if (message.type === 'welcome') {
    welcome(message);
  } else if (message.type === 'ack' || message.id && message.type === 'error') {
    answered(message);
  } else if (message.type === 'resumed') {
    resumed(message);
  } else if (message.type === 'presence-list') {
    here.clear();
    message.reviewers.forEach(present);
    people(message.total);
  } else if (message.type === 'presence-update') {
    present(message);
    people();
  } else if (message.type === 'presence-diff') {
    [...message.joined, ...message.changed].forEach(present);
    message.left.forEach((id) => here.delete(id));
    people();
  } else if (message.type === 'error') {
    notice(`The server says: ${message.error} (${message.code})`);
  } else if (message.eventId !== undefined) {
    seen = message.eventId;
    event(message);
  }
}


function welcome({ userId, role: mine, connectionId, lastEventId }) {
  role = mine;
  attempts = 0;
  show('open', 'Connected');

  const who = userId ? `${userId}${role ? `, ${role}` : ''}` : 'nobody';

  $('identity').replaceChildren('You are ', make('b', who));
  $('identity').title = connectionId;
  document.title = `${who} – Conductor`;

  for (const { command } of waiting.values()) {
    socket.send(JSON.stringify(command));
  }

  if ($('only').value) {
    filter();
  }

  if (told) {
    tell();
  }

  if (seen === undefined) {
    seen = lastEventId;
  } else {
    socket.send(JSON.stringify({ type: 'resume', since: seen }));
  }
}


function resumed({ recovered, count, lastEventId, reason }) {
  seen = lastEventId;

  if (reason === 'gap') {
    notice('Some events were lost: this page was too slow for them.');
  } else if (!recovered) {
    notice('Connected again. Events of the time in between may be missing.');
  } else {
    notice(`Connected again. ${count === 0 ? 'Nothing was missed.'
      : 'What was missed is here.'}`);
  }
}


// A reviewer as a list, an update or a diff describes it.
function present(reviewer) {
  const { reviewerId, userId, connectionId, status } = reviewer;
  const id = reviewerId ?? userId ?? connectionId;

  if (status === 'offline') {
    here.delete(id);
  } else {
    here.set(id, { ...here.get(id), ...reviewer, id });
  }
}


// A list is bounded: "total" says how many there are besides.
function people(total = 0) {
  const sorted = [...here.values()]
    .sort((a, b) => (a.id < b.id ? -1 : 1));

  $('presence').hidden = false;
  $('present').textContent = `(${Math.max(total, sorted.length)})`;
  $('reviewers').replaceChildren(...sorted.slice(0, SHOWN).map(person));
}


function person({ id, role: theirs, status, currentFeature }) {
  const item = make('li');
  const state = make('span', status);
  const on = currentFeature ? ` on ${currentFeature}` : '';

  state.dataset.status = status;
  item.append(make('b', id), theirs ? `, ${theirs} ` : ' ',
    make('div'));
  item.lastChild.append(state, on);
  return item;
}


// A new connection starts online, so it says again what was said.
function tell() {
  told = {
    type: 'presence-update',
    status: $('status').value,
    currentFeature: $('working').value.trim(),
  };

  for (const [id, { command }] of waiting) {
    if (command.type === 'presence-update') {
      waiting.delete(id);
    }
  }

  send(told, ({ type, error }) => {
    const ok = type === 'ack';

    $('told').dataset.state = ok ? '' : 'refused';
    $('told').textContent = ok ? '' : `Not told: ${error}.`;
  });
}


// What has no answer when the connection is lost is said again on the next
// one: with a "key" it is done once.
function send(fields, done) {
  const command = { ...fields, id: ++commands };

  waiting.set(command.id, { command, done });

  if (socket?.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify(command));
  }
}


function answered(reply) {
  const asked = waiting.get(reply.id);

  waiting.delete(reply.id);
  asked?.done(reply);
}


// A new connection has the subscriptions of the start, so it is asked anew.
function filter() {
  const feature = $('only').value.trim();

  for (const [id, { command }] of waiting) {
    if (command.type === 'subscribe') {
      waiting.delete(id);
    }
  }

  send({
    type: 'subscribe',
    channel: 'tasks:updates',
    filter: feature ? { featureSlug: feature } : {},
  }, ({ type, error }) => {
    const ok = type === 'ack';

    $('filtered').dataset.state = ok ? '' : 'refused';
    $('filtered').textContent = !ok ? `Not filtered: ${error}.`
      : feature ? 'Other features are not sent to this page.' : '';
  });
}


function event({ type, timestamp, eventId, ...fields }) {
  const [names, headline] = HEADLINES[type] ?? [[], () => type];
  const title = headline(...names.map((name) => fields[name]));

  const rest = Object.entries(fields)
    .filter(([name]) => !names.includes(name))
    .map(([name, value]) => `${name}: ${
      typeof value === 'string' ? value : JSON.stringify(value)}`);

  const details = [...(title === type ? [] : [type]), ...rest];

  list(make('b', title), time(timestamp), make('div', details.join(' · ')));

  received++;
  $('count').textContent = `(${received})`;
}


function notice(text) {
  list(make('i', text), time(Date.now())).className = 'notice';
}


function list(...content) {
  const item = make('li');

  item.append(...content);
  $('events').prepend(item);
  $('empty').hidden = true;

  while ($('events').children.length > SHOWN) {
    $('events').lastElementChild.remove();
  }

  return item;
}


function time(timestamp) {
  const date = new Date(timestamp);
  const element = make('time', date.toLocaleTimeString());

  element.dateTime = date.toISOString();
  return element;
}


function make(name, text = '') {
  const element = document.createElement(name);

  element.textContent = text;
  return element;
}


function body() {
  const fields = [...new FormData($('publish'))].filter(([, value]) => value);

  return { type: 'task-status-changed', ...Object.fromEntries(fields) };
}


function publish(submit) {
  submit.preventDefault();

  if ($('state').dataset.state === 'refused') {
    answer('refused', 'Not published: this page is not connected.');
    return;
  }

  answer('waiting', 'Publishing…');

  const random = crypto.getRandomValues(new Uint32Array(2));

  send({ type: 'publish', key: random.join('-'), event: body() }, published);
}


function published({ type, code, error }) {
  if (type === 'ack') {
    answer('open', 'Published to everyone connected.');
    advance();
  } else if (code === 'forbidden') {
    answer('refused', `Not published: your role, ${role ?? 'none'}, may watch`
      + ' but not publish this.');
  } else {
    answer('refused', `Not published: ${error}.`);
  }
}


function answer(state, text) {
  $('answer').dataset.state = state;
  $('answer').textContent = text;
  $('answer').scrollIntoView({ block: 'nearest' });
}


// The next change of the same task.
function advance() {
  const { old, new: next } = $('publish').elements;

  old.value = next.value;
  next.selectedIndex = (next.selectedIndex + 1) % next.options.length;
  line();
}


function line() {
  const k = location.protocol === 'https:' ? ' -k' : '';
  const json = JSON.stringify(body()).replaceAll("'", "'\\''");

  $('curl').textContent = `curl${k} -H 'Content-Type: application/json' `
    + `-d '${json}' ${new URL('publish', location.href)}`;
}


$('publish').addEventListener('submit', publish);
$('publish').addEventListener('input', line);
$('filter').addEventListener('submit', (submit) => submit.preventDefault());
$('only').addEventListener('change', filter);
$('mine').addEventListener('submit', (submit) => submit.preventDefault());
$('mine').addEventListener('change', tell);
$('again').addEventListener('click', reconnect);

window.addEventListener('hashchange', reconnect);
window.addEventListener('online', reconnect);

line();
connect();
