import { Component, div } from '../lib/dom.js';
import { Heights } from '../lib/heights.js';

/**
 * @typedef {{key: string, isAnchor?: boolean}} Item `isAnchor`: stays the same item when others come in above it
 *
 * What stays where it is: the end of the list, or an edge of an item at a distance from the top of the view.
 * @typedef {'end' | {key: string, top?: number, bottom?: number}} Anchor
 */

/**
 * @template {Item} T
 * @typedef {object} Props
 * @property {T[]} items
 * @property {(item: T) => import('preact').VNode} row
 * @property {string} label
 * @property {string} id
 * @property {boolean} hasOlder
 * @property {boolean} hasNewer
 * @property {(direction: 'older' | 'newer') => void} onEdge the view is near an end, and there is more
 * @property {(item: T) => void} onSee the last item of which half is in view
 * @property {(isEnd: boolean) => void} onEnd whether the view is at the end
 * @property {() => void} onGoToEnd End was pressed
 * @property {() => void} onScroll the user has scrolled
 * @property {Anchor} [start]
 * @property {{current: any}} handle gets the list
 * @property {boolean} hasFocus whether what it takes the place of has the focus
 */

/** Height of a row that was never in the document. */
const ESTIMATE = 52;
/** At most this many rows are in the document, unless more are in view. */
const MOST = 56;
/** What is closer to an end than this many views makes more be loaded. */
const NEAR = 1.5;
const PADDING = 8;
/** What an arrow key scrolls. */
const LINE = 60;

/**
 * A list of which only what is near the view is in the document. What the user looks at stays where it is when items come in above
 * or below it, grow, or go: the position follows from an anchor, never from the `scrollTop` of the layout before.
 * @template {Item} T
 * @extends {Component<Props<T>>}
 */
export class VirtualList extends Component {
  /** @type {HTMLElement | null} */
  box = null;
  /** @type {Anchor} */
  anchor = this.props.start ?? 'end';
  heights = new Heights([]);
  /** By key: what was measured. @type {Map<string, number>} */
  known = new Map();
  /** @type {Map<string, number>} */
  index = new Map();
  /** @type {T[] | undefined} */
  items;
  from = 0;
  to = 0;
  /** The last known `scrollTop`. If it is another one the user has scrolled. */
  position = 0;
  /** By how much the space above is larger than the rows there are thought to be. */
  shift = 0;
  observer = new ResizeObserver(() => this.settle());
  /** @type {Set<Element>} */
  observed = new Set();
  isEnd = true;
  /** Whether the end is no anchor until the user scrolls. */
  isHeld = false;
  /** Whether the view is to be moved. */
  isMoving = true;

  /** @param {Props<T>} props */
  take({ items }) {
    if (items === this.items) return;
    this.items = items;
    this.index = new Map(items.map(({ key }, n) => [key, n]));
    this.heights = new Heights(items.map(({ key }) => this.known.get(key) ?? ESTIMATE));
    // Without its item the anchor is where the view is now.
    if (this.anchor !== 'end' && !this.index.has(this.anchor.key)) this.anchor = this.anchorAt(this.position - this.shift);
  }

  get view() {
    return this.box?.clientHeight || 800;
  }

  /** Where the view has to begin. */
  wanted() {
    const { anchor, heights } = this;
    const end = heights.sum() + PADDING - this.view;
    if (anchor === 'end') return end;
    const n = this.index.get(anchor.key) ?? 0;
    return anchor.bottom !== undefined ? heights.sum(n + 1) - anchor.bottom : heights.sum(n) - (anchor.top ?? 0);
  }

  /**
   * The lower edge of the first message in view: whatever happens to it, everything below it stays.
   * @param {number} top
   * @returns {Anchor}
   */
  anchorAt(top) {
    const items = /** @type {T[]} */ (this.items);
    if (!items.length) return 'end';
    let n = this.heights.at(top);
    while (n < items.length - 1 && !items[n].isAnchor) n++;
    return { key: items[n].key, bottom: this.heights.sum(n + 1) - top };
  }

  /** @param {number} top @returns {[number, number]} the items that have to be in the document */
  window(top) {
    const { heights, view } = this;
    const count = heights.length;
    const first = heights.at(Math.max(0, top));
    const last = Math.min(count, heights.at(Math.max(0, top + view)) + 1);
    const spare = Math.max(4, MOST - (last - first)) >> 1;
    const above = heights.at(Math.max(0, top - view / 2));
    const below = Math.min(count, heights.at(top + 1.5 * view) + 1);
    return [Math.max(0, first - spare, Math.min(first - 2, above)), Math.min(count, last + spare, Math.max(last + 2, below))];
  }

  /** The items in a part of the view. @param {number} from @param {number} to in pixels from its top @returns {T[]} */
  between(from, to) {
    const top = this.position - this.shift;
    return this.items?.slice(this.heights.at(top + from), this.heights.at(top + to) + 1) ?? [];
  }

  /** Moves the view to an item, or to the end. @param {Anchor} anchor */
  goTo(anchor) {
    this.anchor = anchor;
    this.isHeld = false;
    this.isMoving = true;
    this.forceUpdate();
  }

  /** Stays where it is now, also if more comes at the end. */
  hold() {
    if (this.anchor === 'end' && this.box) this.anchor = this.anchorAt(this.box.scrollTop - this.shift);
    this.isHeld = true;
  }

  /** Puts an item into the middle of the view. @param {string} key */
  center(key) {
    this.goTo({ key, top: Math.max(PADDING, this.view / 2 - (this.known.get(key) ?? ESTIMATE) / 2) });
  }

  /** Takes over where the user has scrolled to. @returns {boolean} whether that is elsewhere */
  follow() {
    const box = /** @type {HTMLElement} */ (this.box);
    const { scrollTop } = box;
    if (Math.abs(scrollTop - this.position) < 1) return false;
    this.position = scrollTop;
    this.isHeld = false;
    const isEnd = box.scrollHeight - box.clientHeight - scrollTop < 2;
    this.anchor = isEnd && !this.props.hasNewer ? 'end' : this.anchorAt(scrollTop - this.shift);
    return true;
  }

  onScroll = () => {
    if (!this.follow()) return;
    const top = this.position - this.shift;
    const [from, to] = this.window(top);
    if (from < this.from || to > this.to) this.forceUpdate();
    this.look(top);
    this.props.onScroll();
  };

  /** The keys that scroll: at once, because what comes into the document would end an animation. @param {KeyboardEvent} event */
  onKeyDown = (event) => {
    const { box, view } = this;
    if (!box || event.target !== box || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = view * 0.85;
    const step = { ArrowUp: -LINE, ArrowDown: LINE, PageUp: -page, PageDown: page, ' ': event.shiftKey ? -page : page, Home: -box.scrollTop }[event.key];
    if (event.key === 'End') this.props.onGoToEnd();
    else if (step !== undefined) box.scrollTop += step;
    else return;
    event.preventDefault();
  };

  /** Tells what is in view. @param {number} top */
  look(top) {
    const { heights, view, props } = this;
    const items = /** @type {T[]} */ (this.items);
    if (!items.length || !this.box?.clientHeight) return;
    if (props.hasOlder && top < NEAR * view) props.onEdge('older');
    if (props.hasNewer && heights.sum() - top - view < NEAR * view) props.onEdge('newer');
    for (let n = heights.at(top + view - 1); n >= 0; n--) {
      const start = heights.sum(n);
      if (start + heights.get(n) < top) break;
      const visible = Math.min(start + heights.get(n), top + view) - Math.max(start, top);
      if (!items[n].isAnchor || visible < Math.min(heights.get(n), view) / 2) continue;
      props.onSee(items[n]);
      break;
    }
    const isEnd = !props.hasNewer && heights.sum() + PADDING - top - view < 4;
    if (isEnd !== this.isEnd) props.onEnd((this.isEnd = isEnd));
  }

  /** Measures the rows, and puts the view where it belongs. */
  settle() {
    const { box, heights, from } = this;
    if (!box?.clientHeight) return;
    if (!this.isMoving) this.follow();
    const rows = [...box.children].slice(1, -1);
    const items = /** @type {T[]} */ (this.items);
    let isChanged = false;
    for (const [n, row] of rows.entries()) {
      const { height } = row.getBoundingClientRect();
      if (!this.observed.has(row)) this.observer.observe(row);
      if (Math.abs(heights.get(from + n) - height) < 0.1) continue;
      heights.set(from + n, height);
      this.known.set(items[from + n].key, height);
      isChanged = true;
    }
    for (const row of this.observed) if (row !== box && !row.isConnected) this.observer.unobserve(row);
    this.observed = new Set([box, ...rows]);

    const total = heights.sum();
    const wanted = this.wanted();
    // Rows above that turn out higher than they were thought to be: the space above them takes the difference, if it can. A jump of
    // `scrollTop` would end the scrolling that is going on.
    const shift = box.scrollTop - wanted;
    const canShift = !this.isMoving && this.anchor !== 'end' && from > 0 && Math.abs(shift) < this.view && heights.sum(from) + shift > 0;
    this.shift = canShift ? shift : 0;
    const [above, below] = /** @type {HTMLElement[]} */ ([box.firstElementChild, box.lastElementChild]);
    above.style.height = `${heights.sum(from) + this.shift}px`;
    below.style.height = `${total - heights.sum(this.to) + PADDING}px`;
    if (Math.abs(box.scrollTop - this.shift - wanted) > 0.5) box.scrollTop = wanted + this.shift;
    this.position = box.scrollTop;
    const [first, end] = this.window(wanted);
    if (isChanged && (first < from || end > this.to)) return this.forceUpdate();
    this.isMoving = false;
    // An anchor beyond an end would pull the view there later.
    if (wanted >= total + PADDING - this.view - 1 && !this.props.hasNewer && !this.isHeld) this.anchor = 'end';
    else if (wanted < 0) this.anchor = this.anchorAt(0);
    this.look(this.position - this.shift);
  }

  /** @override */
  componentDidMount() {
    this.props.handle.current = this;
    const box = /** @type {HTMLElement} */ (this.box);
    this.observer.observe(box);
    this.settle();
    if (this.props.hasFocus) box.focus({ preventScroll: true });
  }

  /** @override */
  componentDidUpdate() {
    this.settle();
  }

  /** @override */
  componentWillUnmount() {
    this.props.handle.current = null;
    this.observer.disconnect();
  }

  /** @override */
  render() {
    this.take(this.props);
    const { items, row, label, id } = this.props;
    [this.from, this.to] = this.window(this.wanted());
    const ref = (/** @type {HTMLElement | null} */ element) => void (this.box = element);
    return div(
      { class: 'log', id, ref, role: 'log', 'aria-label': label, 'aria-live': 'off', tabIndex: 0, onScroll: this.onScroll, onKeyDown: this.onKeyDown },
      div({ key: '<', class: 'above' }),
      items.slice(this.from, this.to).map((item) => div({ key: item.key, class: 'row' }, row(item))),
      div({ key: '>' })
    );
  }
}
