import { linkSync, readFileSync, readlinkSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** How often the holder shows that it is alive, and when it counts as dead for processes that cannot look at it. */
const BEAT = 5_000;
const DEAD = 20_000;

/** @template T @param {() => T} read @returns {T | undefined} */
const attempt = (read) => {
  try {
    return read();
  } catch {
    return undefined;
  }
};

/** When a process began, on Linux: its number alone may be that of a later one. @param {number} pid */
const startOf = (pid) => attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')[19]);

/** Where process numbers mean the same: a computer, or a container on it. */
const here = `${hostname()} ${attempt(() => readlinkSync('/proc/self/ns/pid')) ?? ''}`;

/** The locks of this process. @type {Set<string>} */
const own = new Set();

/** @param {string} path */
function isHeld(path) {
  const { pid, start, where } = attempt(() => JSON.parse(readFileSync(path, 'utf8'))) ?? {};
  // Another computer or container: its process cannot be looked at.
  if (where !== here) return Date.now() - (attempt(() => statSync(path).mtimeMs) ?? 0) < DEAD;
  if (pid === process.pid) return own.has(path);
  try {
    process.kill(pid, 0);
  } catch (/** @type {any} */ error) {
    // It is there, and belongs to another user.
    if (error.code !== 'EPERM') return false;
  }
  return startOf(pid) === start;
}

/**
 * Locks a path for this process, by a file. A lock whose process has ended does not count.
 * @param {string} path of the lock
 * @returns {() => void} releases it
 */
export function lock(path) {
  const locked = () => Object.assign(new Error(`another process uses the store (${path})`), { code: 'locked' });
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, JSON.stringify({ pid: process.pid, start: startOf(process.pid), where: here }), { mode: 0o600 });
  try {
    for (;;) {
      try {
        // Made whole or not at all.
        linkSync(mine, path);
        break;
      } catch (/** @type {any} */ error) {
        if (error.code !== 'EEXIST') throw error;
      }
      const before = attempt(() => statSync(path).ino);
      if (isHeld(path)) throw locked();
      // Of several processes that find the same dead one, each moves the file away that it has looked at, or gives up.
      const old = `${mine}.old`;
      attempt(() => renameSync(path, old));
      const moved = attempt(() => statSync(old).ino);
      if (moved !== undefined && moved !== before) {
        attempt(() => linkSync(old, path));
        throw locked();
      }
      rmSync(old, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
  own.add(path);
  const beat = setInterval(() => attempt(() => utimesSync(path, new Date(), new Date())), BEAT).unref();
  return () => {
    if (!own.delete(path)) return;
    clearInterval(beat);
    rmSync(path, { force: true });
  };
}
