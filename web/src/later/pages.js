import { useEffect, useRef, useState } from '../../vendor/hooks.js';
import { button, div, h } from '../lib/dom.js';
import { focusOn } from '../lib/focus.js';
import { t } from '../lib/i18n.js';
import { client } from '../state/client.js';
import { explain } from '../state/explain.js';
import { Empty } from '../ui/empty.js';
import { refused } from '../ui/toast.js';

/** What was done has taken the button that had the focus away: the first one of the panel gets it. */
export const keepFocus = () => void (document.activeElement === document.body && focusOn('.panel-head button'));

/** The pause before another attempt. */
const RETRY = 2_000;

/**
 * A list of the API, page by page. `reload` asks again for all that is shown.
 * @template T
 * @param {(after: string | undefined) => Promise<{items: T[], next: string | null}>} page
 * @param {any[]} inputs what the list depends on
 */
export function usePages(page, inputs) {
  const [shown, setShown] = useState(/** @type {{items: T[], next: string | null} | null} */ (null));
  const [problem, setProblem] = useState(/** @type {any} */ (null));
  const asked = useRef(0);

  /** @param {number} atLeast */
  async function load(atLeast) {
    const mine = ++asked.current;
    try {
      /** @type {T[]} */
      const items = [];
      /** @type {string | null | undefined} */
      let next;
      do {
        const answer = await page(next ?? undefined);
        items.push(...answer.items);
        next = answer.next;
      } while (next && items.length < atLeast);
      if (mine !== asked.current) return;
      setShown({ items, next: next ?? null });
      setProblem(null);
    } catch (error) {
      if (mine !== asked.current) return;
      const { code, retryable, retryAfterMs } = /** @type {any} */ (error);
      // A chat that is gone closes its views by itself.
      if (code === 'not_found') return;
      setProblem(error);
      if (retryable) setTimeout(() => mine === asked.current && load(atLeast), retryAfterMs ?? RETRY);
      else if (shown) refused(error);
    }
  }

  useEffect(() => {
    load(1);
    return () => void asked.current++;
  }, inputs);

  async function more() {
    if (!shown?.next) return;
    const mine = ++asked.current;
    try {
      const { items, next } = await page(shown.next);
      if (mine === asked.current) setShown({ items: [...shown.items, ...items], next });
    } catch (error) {
      refused(error);
    }
  }
  return { items: shown?.items, problem: shown ? null : problem, hasMore: Boolean(shown?.next), more, reload: () => load(shown?.items.length ?? 1) };
}

/** What follows soon is one change. */
const PAUSE = 150;

/**
 * Calls a function after events of a chat, and after a start of its history: what happened before that comes as no event.
 * @param {string} chatId
 * @param {RegExp} types
 * @param {() => void} fn
 */
export function useEvents(chatId, types, fn) {
  const latest = useRef(fn);
  latest.current = fn;
  useEffect(() => {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const plan = () => {
      clearTimeout(timer);
      timer = setTimeout(() => latest.current(), PAUSE);
    };
    const ends = [
      client.on('event', ({ type, chat_id }) => void (chat_id === chatId && types.test(type) && plan())),
      client.on('chat', ({ type, chat_id }) => void (chat_id === chatId && type === 'chat_created' && plan())),
      client.on('gap', ({ skipped, chat_id }) => void (chat_id === chatId && skipped && plan())),
    ];
    return () => {
      for (const end of ends) end();
      clearTimeout(timer);
    };
  }, [chatId]);
}

/**
 * What is below the items of a list: how to get the next ones, or the first ones if they could not be loaded.
 * @param {{problem: any, hasMore: boolean, more: () => Promise<void>, reload: () => Promise<void>}} list
 */
export function ListEnd({ problem, hasMore, more, reload }) {
  const again = () => button({ type: 'button', class: 'button', onClick: () => reload().then(keepFocus) }, t().tryAgain);
  if (problem) return div({ role: 'alert' }, h(Empty, { icon: 'alert', title: t().groups.listFailed, hint: explain(problem) }, again()));
  return hasMore && button({ type: 'button', class: 'button wide more', onClick: () => more().then(keepFocus) }, t().groups.showMore);
}
