import { keep } from '../ops.js';

/** The pause after a handler that failed. */
const RETRY = 3_000;
/** How many messages are read at a time. */
const PAGE = 50;

/**
 * @typedef {import('../types.js').Message} Message
 * @typedef {import('../types.js').Store} Store
 * @typedef {import('../index.js').Client} Client
 */

/**
 * Calls `handler` with each message, own ones included: one after the other in each chat, in the order of `seq`. A message is handled
 * when the promise of `handler` resolves, and the store remembers it. What was not handled, because the program did not run or was
 * killed, follows at the next start. If `handler` fails it is called again 3 s later, or when the server says, and the chat waits.
 *
 * A message may be handled twice: if the program is killed after `handler` and before the store remembers it. So derive the
 * `request_id`s of what it sends from the message, by `derivedId`.
 *
 * Call it after `open` and before `start`. What was sent before the first start is history, and is not handled.
 * @param {Client} client
 * @param {Store} store of the client
 * @param {(message: Message) => unknown} handler
 * @param {{log?: Pick<Console, 'error'>}} [options] gets why `handler` failed
 * @returns {() => void} ends it
 */
export function consume(client, store, handler, { log = console } = {}) {
  // By chat: it is being read, and whether there is more since.
  /** @type {Map<string, {more: boolean}>} */
  const busy = new Map();
  /** @type {Set<NodeJS.Timeout>} */
  const timers = new Set();
  let isOver = false;

  /** @param {string} chat */
  async function positionOf(chat) {
    const stored = await store.get(`handled:${chat}`);
    if (stored !== undefined) return stored;
    // The last segment begins where the chat became known: everything before is history.
    const [first] = (await client.timeline(chat).segments()).at(-1) ?? [];
    if (first === undefined) return;
    await handled(chat, first - 1);
    return first - 1;
  }

  /** @param {string} chat @param {number} seq */
  const handled = (chat, seq) => store.write([keep(`handled:${chat}`, seq)]);

  /** @param {string} chat */
  async function read(chat) {
    let position = await positionOf(chat);
    if (position === undefined) return;
    for (let more = true; more; ) {
      const page = await client.timeline(chat).page({ after: position, limit: PAGE });
      for (const message of page.messages) {
        if (isOver) return;
        await handler(message);
        position = message.seq;
        await handled(chat, position);
      }
      more = page.has_next && page.messages.length > 0;
    }
  }

  /** @param {string} chat */
  async function run(chat) {
    const running = busy.get(chat);
    if (running) running.more = true;
    if (running || isOver) return;
    const mine = { more: true };
    busy.set(chat, mine);
    try {
      while (mine.more && !isOver) {
        mine.more = false;
        await read(chat);
      }
    } catch (/** @type {any} */ error) {
      if (isOver || error.code === 'closed') return;
      log.error(error);
      const timer = setTimeout(() => {
        timers.delete(timer);
        run(chat);
      }, error.retryAfterMs ?? RETRY);
      timers.add(timer);
    } finally {
      busy.delete(chat);
    }
  }

  const all = () => {
    for (const { id } of client.chats.list()) run(id);
  };
  const ends = [
    client.on('message', ({ chat_id }) => void run(chat_id)),
    client.on('chat', ({ type, chat_id }) => {
      if (type === 'chats') all();
      else if (type === 'chat_created' && chat_id) run(chat_id);
    }),
    client.on('gap', ({ skipped, chat_id }) => void (skipped && run(chat_id))),
    client.on('state', ({ state }) => state === 'live' && all()),
  ];
  all();
  return () => {
    isOver = true;
    for (const end of ends) end();
    for (const timer of timers) clearTimeout(timer);
  };
}
