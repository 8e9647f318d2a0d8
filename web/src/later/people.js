import { useEffect, useState } from '../../vendor/hooks.js';
import { navigate } from '../routes.js';
import { openDirect } from '../state/chats.js';
import { client } from '../state/client.js';
import { focusRequests } from '../state/compose.js';
import { learn } from '../state/people.js';
import { myId } from '../state/session.js';
import { refused } from '../ui/toast.js';

/** @typedef {{id: string, username: string, name?: string}} Person */

/** Keys that follow soon do not ask the server each. */
const PAUSE = 200;

/**
 * Finds people by what is written, without the user; `null` while nothing is written.
 * @param {string} query
 * @param {number} limit
 * @param {() => void} onFound
 * @returns {[Person[] | null, (found: null) => void]}
 */
export function useFoundPeople(query, limit, onFound) {
  const [found, setFound] = useState(/** @type {Person[] | null} */ (null));
  useEffect(() => {
    const q = query.trim();
    if (!q) return setFound(null);
    let isWanted = true;
    const timer = setTimeout(async () => {
      try {
        const { users } = await client.rest.get('/users', { q, limit });
        if (!isWanted) return;
        learn(users);
        setFound(users.filter(({ id }) => id !== myId()));
        onFound();
      } catch (error) {
        if (isWanted) refused(error);
      }
    }, PAUSE);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [query]);
  return [found, setFound];
}

/** Leaves a dialog for the direct chat with somebody. @param {string} userId @param {() => void} close */
export async function writeTo(userId, close) {
  try {
    const { id } = await openDirect(userId);
    close();
    navigate(`/c/${id}`);
    // After the dialog has given the focus back.
    setTimeout(() => focusRequests.value++);
  } catch (error) {
    refused(error);
  }
}
