import { useEffect, useState } from '../../vendor/hooks.js';
import { h } from '../lib/dom.js';
import { t } from '../lib/i18n.js';
import { showDialog } from './dialog.js';
import { refused, toast } from './toast.js';

/**
 * A view that is loaded when it is first shown. Its module is in `later/` and exports `View`.
 * @param {{load: () => Promise<{View: import('preact').ComponentType<any>}>, props: object}} props
 */
export function Later({ load, props }) {
  const [View, setView] = useState(/** @type {{now?: import('preact').ComponentType<any>}} */ ({}));
  useEffect(() => {
    load().then(({ View }) => setView({ now: View }), refused);
  }, []);
  return View.now ? h(View.now, props) : null;
}

/**
 * Loads a dialog of `later/` and shows it. The module exports `View`, which gets `close` beside the given props.
 * @template {object} P
 * @param {() => Promise<{View: import('preact').ComponentType<P & {close: () => void}>}>} load
 * @param {P} props
 */
export const showLater = (load, props) =>
  withLater(load, ({ View }) => showDialog((close) => h(/** @type {import('preact').ComponentType<any>} */ (View), { ...props, close })));

/**
 * Loads a module of `later/` and does something with it, or says that it cannot be loaded.
 * @template M
 * @param {() => Promise<M>} load
 * @param {(module: M) => void} run
 */
export const withLater = (load, run) => load().then(run, () => toast(t().errorNetwork, { isError: true }));
