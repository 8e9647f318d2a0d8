import { chmodSync, copyFileSync, readFileSync, truncateSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { memoryStore } from '../stores/memory.js';
import { keep, put } from '../ops.js';
import { lock } from './lock.js';

/** The journal is rewritten when it is this many times as long as then, and at least this long. */
const GROWTH = 4;
const LEAST = 1 << 20;
/** How each line begins. */
const START = '[{"op":"';

/**
 * @typedef {import('../types.js').Op} Op
 * @typedef {import('../types.js').Store} Store
 */

/**
 * Whether the server cannot send it again: tokens, values, and what was not sent. Cursors are stored together with their events: if
 * both are lost, both are fetched again.
 * @param {any} op
 */
const isPrecious = ({ table, row }) => table === 'kv' || (table === 'outbox' && row) || row?.unsent || row?.read_to;

/** The largest `seq` there is has no representation in JSON. @param {any} op */
const restored = (op) => (op.op === 'trim' ? { ...op, below: op.below ?? Infinity } : op);

/** @param {any} op */
function isOp(op) {
  if (op?.op === 'put' || op?.op === 'delete') return ['chats', 'outbox', 'kv', 'events'].includes(op.table);
  return ['trim', 'expire', 'patch'].includes(op?.op);
}

/** Returns the transactions up to the first line that cannot be read, and their length. @param {Buffer} bytes */
function readJournal(bytes) {
  /** @type {Op[][]} */
  const transactions = [];
  let length = 0;
  for (let end; (end = bytes.indexOf('\n', length)) >= 0; length = end + 1) {
    try {
      const ops = JSON.parse(bytes.toString('utf8', length, end));
      if (!ops.every(isOp)) break;
      transactions.push(ops.map(restored));
    } catch {
      break;
    }
  }
  return { transactions, length };
}

/** Reads a file, and cuts off what a crash has left of the last transaction. @param {string} path */
function load(path) {
  let bytes;
  try {
    bytes = readFileSync(path);
  } catch (/** @type {any} */ error) {
    if (error.code !== 'ENOENT') throw error;
    return { transactions: [], length: 0 };
  }
  const { transactions, length } = readJournal(bytes);
  const rest = bytes.subarray(length);
  const isTorn = !rest.includes('\n');
  if (!length) {
    const text = rest.toString('latin1', 0, START.length);
    if (!isTorn || (!START.startsWith(text) && rest.some((byte) => byte))) {
      throw Object.assign(new Error(`${path} is not a journal of @neonchat/client`), { code: 'not_a_journal' });
    }
  }
  chmodSync(path, 0o600);
  if (!isTorn) {
    copyFileSync(path, `${path}.damaged`);
    chmodSync(`${path}.damaged`, 0o600);
    process.emitWarning(`${path} is damaged from byte ${length} on. A copy is kept as ${path}.damaged`);
  }
  if (rest.length) truncateSync(path, length);
  return { transactions, length };
}

/**
 * A store that survives a restart of the program: a journal, in which each line is a transaction. All of it is in memory too.
 *
 * The file is readable by its owner only, because it has the tokens. A transaction that a crash has cut off does not count, and those
 * before it do.
 * @param {string} path
 * @param {{capacity?: number}} [options] how many events of a chat are kept, by default 2,000
 * @returns {Store}
 * @throws if another process uses it (code `locked`), or if it is another kind of file (code `not_a_journal`)
 */
export function fileStore(path, options) {
  path = resolve(path);
  const release = lock(`${path}.lock`);
  let { transactions, length } = (() => {
    try {
      return load(path);
    } catch (error) {
      release();
      throw error;
    }
  })();
  const memory = memoryStore(options);
  // The keys of the single values, which the store in memory does not list.
  /** @type {Set<string>} */
  const keys = new Set();
  /** @type {import('node:fs/promises').FileHandle | undefined} */
  let file;
  let limit = LEAST;
  let isClosed = false;
  // One after the other.
  let last = Promise.resolve();
  /** @param {() => Promise<void>} work @returns {Promise<void>} */
  const alone = (work) => {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  };

  /** @param {Op[]} ops */
  async function apply(ops) {
    for (const op of ops) if (op.op === 'put' && op.table === 'kv') keys.add(op.row.key);
    await memory.write(ops);
  }

  /** Makes a new name of a file survive a crash of the computer. */
  async function syncFolder() {
    // Windows cannot open directories.
    const folder = await open(dirname(path)).catch(() => undefined);
    await folder?.sync().catch(() => {});
    await folder?.close();
  }

  async function* content() {
    for (const key of keys) {
      const value = await memory.get(key);
      if (value !== undefined) yield keep(key, value);
    }
    for (const chat of await memory.chats()) {
      yield put('chats', chat);
      for (const row of await memory.events(chat.id, 0, Infinity, Infinity, false)) yield put('events', row);
    }
    for (const row of await memory.outbox()) yield put('outbox', row);
  }

  /** Writes a journal with the present content, and puts it in the place of the old one. */
  async function compact() {
    const fresh = await open(`${path}.new`, 'w', 0o600);
    try {
      let size = 0;
      let text = '';
      const flush = async () => {
        size += Buffer.byteLength(text);
        await fresh.writeFile(text);
        text = '';
      };
      for await (const op of content()) {
        text += `${JSON.stringify([op])}\n`;
        if (text.length > 65_536) await flush();
      }
      await flush();
      await fresh.sync();
      await rename(`${path}.new`, path);
      await syncFolder();
      length = size;
      limit = Math.max(LEAST, GROWTH * size);
    } finally {
      await fresh.close();
    }
    await file?.close();
    file = await open(path, 'a', 0o600);
  }

  async function compactIfLong() {
    // If it fails the journal is longer, and complete.
    if (length > limit) await compact().catch(() => (limit = 2 * length));
  }

  /** @param {Op[]} ops */
  async function write(ops) {
    if (!file) throw new Error('the store is not open');
    const line = Buffer.from(`${JSON.stringify(ops)}\n`);
    try {
      await file.writeFile(line);
      if (ops.some(isPrecious)) await file.datasync();
    } catch (error) {
      // The half of a line must not be there when the next one is written.
      await file.truncate(length);
      throw error;
    }
    length += line.length;
    await apply(ops);
    await compactIfLong();
  }

  return {
    ...memory,
    open: () =>
      alone(async () => {
        if (isClosed) throw new Error('the store is closed');
        if (file) return;
        for (const ops of transactions) await apply(ops);
        transactions = [];
        file = await open(path, 'a', 0o600);
        if (!length) await syncFolder();
        // Otherwise a journal would grow with each start of a program that ends before it is rewritten.
        await compactIfLong();
      }),
    write: (ops) => alone(async () => (ops.length ? write(ops) : undefined)),
    wipe: () =>
      alone(async () => {
        await memory.wipe();
        keys.clear();
        // Of what was deleted, nothing may be left on the disk.
        await compact();
        await rm(`${path}.damaged`, { force: true });
      }),
    close: () =>
      alone(async () => {
        isClosed = true;
        await file?.close();
        file = undefined;
        release();
      }),
  };
}
