import { Component, Fragment, h, render } from '../../vendor/preact.js';

export { Component, Fragment, h, render };

/**
 * @typedef {import('preact').ComponentChildren} Children
 * @typedef {import('preact').VNode<any>} VNode
 * @typedef {{[name: `data-${string}`]: string | number | boolean | undefined}} DataAttributes
 */

/**
 * Returns a function that makes elements of one kind. Unlike templates, its attributes are checked by the type checker.
 * @template {keyof import('preact').JSX.IntrinsicElements} T
 * @param {T} name
 * @returns {(props?: (import('preact').JSX.IntrinsicElements[T] & DataAttributes) | null, ...children: Children[]) => VNode}
 */
const tag = (name) => (props, ...children) => h(/** @type {any} */ (name), /** @type {any} */ (props ?? null), ...children);

export const a = tag('a');
export const article = tag('article');
export const blockquote = tag('blockquote');
export const button = tag('button');
export const code = tag('code');
export const dialog = tag('dialog');
export const div = tag('div');
export const fieldset = tag('fieldset');
export const form = tag('form');
export const h1 = tag('h1');
export const h2 = tag('h2');
export const h3 = tag('h3');
export const header = tag('header');
export const footer = tag('footer');
export const input = tag('input');
export const kbd = tag('kbd');
export const label = tag('label');
export const legend = tag('legend');
export const li = tag('li');
export const main = tag('main');
export const nav = tag('nav');
export const option = tag('option');
export const p = tag('p');
export const path = tag('path');
export const pre = tag('pre');
export const section = tag('section');
export const select = tag('select');
export const span = tag('span');
export const svg = tag('svg');
export const textarea = tag('textarea');
export const time = tag('time');
export const ul = tag('ul');

/**
 * A component that renders again only if a prop, or a signal that it reads, has changed.
 * @template P
 * @param {(props: P) => Children} view
 * @returns {import('preact').ComponentType<P>}
 */
export function memo(view) {
  class Memo extends Component {
    /** @param {any} next @param {any} state @override */
    shouldComponentUpdate(next, state) {
      // A signal has changed: that sets the state.
      if (state !== this.state) return true;
      const now = /** @type {any} */ (this.props);
      for (const name in next) if (next[name] !== now[name]) return true;
      for (const name in now) if (!(name in next)) return true;
      return false;
    }
    /** @override */
    render() {
      return view(/** @type {any} */ (this.props));
    }
  }
  return /** @type {any} */ (Memo);
}
