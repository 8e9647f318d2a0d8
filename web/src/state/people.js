import { effect, signal } from '../../vendor/signals.js';
import { client, status } from './client.js';
import { myId, user } from './session.js';

/**
 * @typedef {{id: string, username: string, name?: string}} Person
 * @typedef {{status: 'online' | 'away' | 'offline', last_seen_at: number | null}} Presence
 */

/** How many users one request names. */
const AT_ONCE = 100;
/** How many names of a text are looked up. */
const MOST_NAMES = 10;
/** The longest username. */
const LONGEST = 50;
/** The first pause before a name is asked for again. */
const RETRY = 2_000;
/** The longest pause: that of a user doubles each time. */
const LONGEST_PAUSE = 60_000;

/** @type {Map<string, import('../../vendor/signals.js').Signal<Person | null>>} */
const people = new Map();
/** @type {Map<string, import('../../vendor/signals.js').Signal<Presence | null>>} */
const presences = new Map();
/** Users whose names nobody has told, and names that nobody is known by: they are asked for once. @type {Set<string>} */
const asked = new Set();

/** @template T @param {Map<string, import('../../vendor/signals.js').Signal<T | null>>} map @param {string} id */
function entry(map, id) {
  let found = map.get(id);
  if (!found) map.set(id, (found = signal(/** @type {T | null} */ (null))));
  return found;
}

/** Takes users that an answer has named, with their presence if it is known. @param {any[]} users */
export function learn(users) {
  for (const { id, user_id = id, username, name, status, last_seen_at } of users) {
    const person = entry(people, user_id);
    const known = person.peek();
    if (known?.username !== username || known?.name !== name) person.value = { id: user_id, username, name };
    // What frames say is newer than the list.
    if (status && !entry(presences, user_id).peek()) setPresence(user_id, status, last_seen_at ? Date.parse(last_seen_at) : null);
  }
}

/** @param {string} id @param {Presence['status']} status @param {number | null} [last_seen_at] */
function setPresence(id, status, last_seen_at = null) {
  entry(presences, id).value = { status, last_seen_at };
}

/** Everybody whose name is known. */
export const knownPeople = () => [...people.values()].flatMap((person) => person.peek() ?? []);

/** The name of a user; empty until it is known. @param {string} id */
export function nameOf(id) {
  if (id === myId()) return user.value?.username ?? '';
  const person = entry(people, id).value;
  if (!person) ask(id);
  return person ? (person.name ?? person.username) : '';
}

/** The name by which a user is mentioned; empty until it is known. @param {string} id */
export const usernameOf = (id) => (nameOf(id) && id !== myId() ? (entry(people, id).value?.username ?? '') : nameOf(id));

/** @param {string} id @param {number} [pause] */
async function ask(id, pause = RETRY) {
  if (asked.has(id)) return;
  asked.add(id);
  try {
    learn([await client.rest.get('/users/{id}', { id })]);
  } catch (/** @type {any} */ error) {
    const again = () => {
      asked.delete(id);
      if (error.retryable && !entry(people, id).peek()) ask(id, Math.min(2 * pause, LONGEST_PAUSE));
    };
    // Without another answer, it is asked again when it is shown again.
    if (error.retryable) setTimeout(again, error.retryAfterMs ?? pause);
    else again();
  }
}

/** @param {string} id */
export const presenceOf = (id) => entry(presences, id).value;

/** Learns the members of a group, for their names. Large groups are learned as they write. @param {string} chatId */
export async function learnMembers(chatId) {
  const { members } = await client.rest.get('/chats/{id}/members', { id: chatId, limit: AT_ONCE });
  learn(members);
  return members;
}

/** Learns the members of a group with some usernames. @param {string} chatId @param {Iterable<string>} names in lower case */
export async function learnNamed(chatId, names) {
  const known = new Set(knownPeople().map(({ username }) => username.toLowerCase()));
  const unknown = [...names].filter((name) => name.length <= LONGEST && !known.has(name) && !asked.has(`${chatId} ${name}`));
  const answers = unknown.slice(0, MOST_NAMES).map(async (q) => {
    const key = `${chatId} ${q}`;
    asked.add(key);
    try {
      learn((await client.rest.get('/chats/{id}/members', { id: chatId, q, limit: AT_ONCE })).members);
    } catch (/** @type {any} */ error) {
      // After the pause it is asked again with the next key.
      if (error.retryable) setTimeout(() => asked.delete(key), error.retryAfterMs ?? RETRY);
    }
  });
  await Promise.all(answers);
}

/** Asks for the present state of users; those with whom the user shares no small chat are left out. @param {string[]} ids */
export async function learnPresence(ids) {
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const { statuses } = await client.rest.request('GET', '/users/status', { params: { ids: ids.slice(at, at + AT_ONCE).join(',') } });
    for (const { user_id, status, last_seen } of statuses) setPresence(user_id, status, last_seen ? last_seen * 1000 : null);
  }
}

/** Frames tell only changes: after each connection the present state is asked for. */
const refresh = () => learnPresence(client.chats.list().flatMap(({ partner }) => partner?.id ?? []));

/** Follows the client. Called once. */
export function startPeople() {
  client.on('presence', ({ event, user_id, timestamp }) => {
    const status = /** @type {Presence['status']} */ (event.replace('user_', ''));
    setPresence(user_id, status, status === 'offline' ? timestamp * 1000 : null);
  });
  effect(() => {
    // If it fails the next connection does it.
    if (status.value.state === 'live') refresh().catch(() => {});
  });
}
