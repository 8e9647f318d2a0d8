import { keep, remove } from '../ops.js';

/** The pause after a handler that failed. */
const RETRY = 3_000;
/** How many messages are read at a time. */
const PAGE = 50;

/**
 * @typedef {import('../types.js').Message} Message
 * @typedef {import('../types.js').Store} Store
 * @typedef {import('../index.js').Client} Client
 *
 * @typedef {object} Reader of a chat
 * @property {boolean} more there is more since it began to read
 * @property {Promise<void> | undefined} rewound the server was restored since, and this stores it
 */

/**
 * Calls `handler` with each message, own ones included: one after the other in each chat, in the order of `seq`. A message is handled
 * when the promise of `handler` resolves, and the store remembers it. What was not handled, because the program did not run or was
 * killed, follows at the next start. If `handler` fails it is called again 3 s later, or when the server says, and the chat waits.
 *
 * A message may be handled twice: if the program is killed after `handler` and before the store remembers it. So derive the
 * `request_id`s of what it sends from the message, by `derivedId`.
 *
 * Call it after `open` and before `start`. What was sent before the first start is history, and is not handled. If the server is
 * restored from a backup, what is sent after that is handled, though its numbers are those of messages that are lost.
 * @param {Client} client
 * @param {Store} store of the client
 * @param {(message: Message) => unknown} handler
 * @param {{log?: Pick<Console, 'error'>}} [options] gets why `handler` failed
 * @returns {() => void} ends it
 */
export function consume(client, store, handler, { log = console } = {}) {
  // By chat, while it is read.
  /** @type {Map<string, Reader>} */
  const readers = new Map();
  // By chat, where it goes on after the server was restored, until that is stored as its position: the write of the mark may fail.
  /** @type {Map<string, number>} */
  const rewinds = new Map();
  /** @type {Set<NodeJS.Timeout>} */
  const timers = new Set();
  let isOver = false;

  const handledKey = (/** @type {string} */ chat) => `handled:${chat}`;
  const restoredKey = (/** @type {string} */ chat) => `restored:${chat}`;

  /** Returns up to where a chat is handled; `undefined`: the chat is not known. @param {string} chat */
  async function positionOf(chat) {
    const [stored, marked = Infinity] = await Promise.all([store.get(handledKey(chat)), store.get(restoredKey(chat))]);
    const rewind = rewinds.get(chat);
    const restored = Math.min(marked, rewind ?? Infinity);
    // The last segment begins where the chat became known: everything before is history.
    const [first] = stored === undefined ? ((await client.timeline(chat).segments()).at(-1) ?? []) : [stored + 1];
    if (first === undefined) return;
    const position = Math.min(first - 1, restored);
    if (position !== stored || restored < Infinity) await store.write([keep(handledKey(chat), position), remove('kv', restoredKey(chat))]);
    // The server may have been restored again meanwhile.
    if (rewinds.get(chat) === rewind) rewinds.delete(chat);
    return position;
  }

  /** @param {string} chat @param {Reader} reader */
  async function read(chat, reader) {
    await reader.rewound;
    reader.rewound = undefined;
    let position = await positionOf(chat);
    if (position === undefined) return;
    for (let more = true; more; ) {
      const page = await client.timeline(chat).page({ after: position, limit: PAGE });
      for (const message of page.messages) {
        if (isOver || reader.rewound) return;
        await handler(message);
        // Meanwhile the server was restored: this message is lost, and another one has its number.
        if (reader.rewound) return;
        position = message.seq;
        await store.write([keep(handledKey(chat), position)]);
      }
      more = page.has_next && page.messages.length > 0;
    }
  }

  /** @param {string} chat @param {Promise<void>} [rewound] */
  async function run(chat, rewound) {
    if (isOver) return;
    const running = readers.get(chat);
    if (running) {
      running.more = true;
      running.rewound = rewound ?? running.rewound;
      return;
    }
    const reader = { more: true, rewound };
    readers.set(chat, reader);
    try {
      while (reader.more && !isOver) {
        reader.more = false;
        await read(chat, reader);
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
      readers.delete(chat);
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
    client.on('gap', ({ skipped, restored, chat_id, to_seq }) => {
      if (restored) rewinds.set(chat_id, to_seq);
      // At once, so that it is stored before what comes after it.
      const rewound = restored ? store.write([keep(restoredKey(chat_id), to_seq)]) : undefined;
      // It is looked at when the chat is read.
      rewound?.catch(() => {});
      if (skipped) run(chat_id, rewound);
    }),
    client.on('state', ({ state }) => state === 'live' && all()),
  ];
  all();
  return () => {
    isOver = true;
    for (const end of ends) end();
    for (const timer of timers) clearTimeout(timer);
  };
}
