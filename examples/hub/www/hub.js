// The page of the hub: what it shows comes as Server-Sent Events from api/events ("state" once a second, "message" for
// each that passes), what it does are POSTs. Everything that peers said is shown as text, never as markup.
'use strict';

const $ = id => document.getElementById(id);
const most_messages = 100;

function make(tag, content, attributes = {}) {
  const element = document.createElement(tag);
  if (content !== undefined) element.append(content);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function bytes(n) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let unit = 0;
  for (; n >= 1000 && unit < units.length - 1; ++unit) n /= 1000;
  return `${unit && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[unit]}`;
}

function age(seconds) {
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h`;
}

let clear_note;
function complain(text) {
  $('note').textContent = text;
  clearTimeout(clear_note);
  clear_note = setTimeout(() => { $('note').textContent = ''; }, 6000);
}

async function post(where, body) {
  try {
    const answer = await fetch(where, { method: 'POST', body, headers: { 'Content-Type': 'text/plain' } });
    const text = await answer.text();
    if (!answer.ok) complain(text || `${answer.status} ${answer.statusText}`);
    return answer.ok;
  } catch (failed) {
    complain(`the hub does not answer: ${failed.message}`);
    return false;
  }
}

// --- devices ---------------------------------------------------------------------------------------------------------

const cards = new Map(); // by the name of the device

function card_of(device) {
  let card = cards.get(device.name);
  if (card) return card;
  const item = make('li');
  const value = make('span', '', { class: 'value' });
  const set = to => post(`api/devices/${encodeURIComponent(device.name)}`, String(to));
  item.append(make('b', device.name), value);
  let show = () => {};
  if (device.kind === 'on_off') {
    const button = make('button', '', { type: 'button', 'aria-label': device.name });
    button.onclick = () => set(button.getAttribute('aria-pressed') === 'true' ? 'off' : 'on');
    value.replaceWith(button);
    show = now => {
      button.textContent = now;
      button.setAttribute('aria-pressed', String(now === 'on'));
    };
  } else if (device.kind === 'percent') {
    const slider = make('input', undefined, { type: 'range', min: 0, max: 100, 'aria-label': device.name });
    slider.onchange = () => set(slider.value);
    item.append(slider);
    show = now => {
      value.textContent = `${now} %`;
      if (document.activeElement !== slider || !slider.matches(':active')) slider.value = now;
    };
  } else {
    show = now => { value.textContent = now; };
  }
  $('devices').append(item);
  card = { show };
  cards.set(device.name, card);
  return card;
}

// --- ports and connections -------------------------------------------------------------------------------------------

let before; // the state that was shown last, for rates

function rate(port) {
  const old = before && before.ports.find(each => each.name === port.name);
  const seconds = before && (now_ms - before.at_ms) / 1000;
  if (!old || !(seconds > 0)) return '';
  return Math.max(0, Math.round((port.messages_in - old.messages_in) / seconds));
}

let now_ms = 0;

/// Rows stay the same elements while they are shown, so that the keyboard's focus stays where it is.
function show_rows(body, rows, things, key, make_row) {
  const gone = new Set(rows.keys());
  for (const thing of things) {
    gone.delete(key(thing));
    let row = rows.get(key(thing));
    if (!row) {
      row = make_row(thing);
      rows.set(key(thing), row);
      body.append(row.element);
    }
    row.show(thing);
  }
  for (const id of gone) {
    rows.get(id).element.remove();
    rows.delete(id);
  }
}

function row_of(columns, numbers) {
  const element = make('tr');
  const cells = Array.from({ length: columns }, (_, i) => make('td', '', i >= columns - numbers ? { class: 'n' } : {}));
  element.append(...cells);
  return { element, fill: texts => texts.forEach((text, i) => { cells[i].textContent = text; }) };
}

const port_rows = new Map();

function port_row(port) {
  const row = row_of(8, 6);
  row.element.title = port.policy;
  row.show = now => row.fill([now.name, now.where.join(' '), now.open, now.accepted, now.refused, rate(now),
    bytes(now.bytes_in), bytes(now.bytes_out)]);
  return row;
}

const point_rows = new Map();

function point_row() {
  const row = row_of(4, 2);
  row.show = now => row.fill([now.name, now.kind, now.data_id, now.asked]);
  return row;
}

const connection_rows = new Map();
let sending_to;

function connection_row(peer) {
  const row = row_of(6, 4);
  const send = make('button', 'Send', { type: 'button' });
  send.onclick = () => {
    sending_to = peer.id;
    $('send-to').textContent = peer.remote;
    $('send').showModal();
  };
  const close = make('button', 'Close', { type: 'button' });
  close.onclick = () => post(`api/connections/${peer.id}/close`);
  const what = make('td', send, { class: 'n' });
  what.append(close);
  row.element.append(what);
  row.show = now => row.fill([now.remote, now.port, age(now.seconds), now.messages, bytes(now.bytes_in), bytes(now.bytes_out)]);
  return row;
}

$('send').addEventListener('close', () => {
  if ($('send').returnValue === 'send') post(`api/connections/${sending_to}/send`, $('send-text').value);
  $('send-text').value = '';
});
$('send-cancel').onclick = () => $('send').close('cancel');

// --- what is live ----------------------------------------------------------------------------------------------------

function show_state(state) {
  now_ms = performance.now();
  $('name').textContent = document.title = state.name;
  for (const device of state.devices) card_of(device).show(device.value);
  show_rows($('ports'), port_rows, state.ports, port => port.name, port_row);
  $('points-section').hidden = state.points.length === 0;
  show_rows($('points'), point_rows, state.points, point => `${point.kind} ${point.name}`, point_row);
  show_rows($('connections'), connection_rows, state.connections, peer => peer.id, connection_row);
  $('nobody').hidden = state.connections.length !== 0;
  $('connection-count').textContent =
    state.connections_open > state.connections.length ? `${state.connections.length} of ${state.connections_open}` : '';
  const line = state.ports.find(port => port.name === 'line');
  if (line && line.where.length) $('line-port').textContent = line.where[0].split(':').pop();
  $('up').textContent = ` · up ${age(state.up_seconds)}, ${state.threads} thread${state.threads === 1 ? '' : 's'}`;
  before = { ...state, at_ms: now_ms };
}

function show_message(message) {
  const item = make('li');
  item.append(
    make('time', new Date(message.at_ms).toLocaleTimeString([], { hour12: false })),
    make('span', `${message.from_us ? '→' : '←'} ${message.peer}`, { class: 'who', title: `${message.port} port` }),
    make('span', message.text, { class: message.from_us ? 'text out' : 'text' }));
  const list = $('messages');
  list.prepend(item);
  while (list.childElementCount > most_messages) list.lastElementChild.remove();
}

function live(state, text) {
  $('live').dataset.state = state;
  $('live').textContent = text;
}

const events = new EventSource('api/events');
events.onopen = () => live('live', 'live');
events.onerror = () => live('lost', 'the hub is gone; trying again');
events.addEventListener('state', event => show_state(JSON.parse(event.data)));
events.addEventListener('message', event => show_message(JSON.parse(event.data)));
events.addEventListener('left_out', event => {
  $('messages-left-out').textContent = `${event.data} more in the last second`;
});

// --- upload ----------------------------------------------------------------------------------------------------------

$('upload').onsubmit = async event => {
  event.preventDefault();
  const form = event.target;
  $('uploaded').textContent = 'uploading …';
  try {
    const answer = await fetch(form.action, { method: 'POST', body: new FormData(form) });
    $('uploaded').textContent = answer.ok
      ? (await answer.json()).parts.map(part => `${part.name}: ${part.file || 'a text'}, ${part.bytes} bytes, CRC-32 ${part.crc32}`).join('\n')
      : await answer.text();
  } catch (failed) {
    $('uploaded').textContent = `it did not arrive: ${failed.message}`;
  }
};
