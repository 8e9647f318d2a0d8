/** How long a finger has to stay, and how far it may move. */
const LONG = 500;
const SLACK = 10;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let start = { x: 0, y: 0 };

const end = () => clearTimeout(timer);

/**
 * Attributes of an element that hears a long press of a finger. Browsers on iOS have no `contextmenu` event.
 * @param {(element: HTMLElement, point: {x: number, y: number}) => void} press
 */
export function longPress(press) {
  return {
    onPointerDown(/** @type {PointerEvent & {currentTarget: HTMLElement}} */ { pointerType, currentTarget, clientX: x, clientY: y }) {
      end();
      start = { x, y };
      if (pointerType === 'touch') timer = setTimeout(() => press(currentTarget, start), LONG);
    },
    onPointerMove(/** @type {PointerEvent} */ { clientX, clientY }) {
      if (Math.hypot(clientX - start.x, clientY - start.y) > SLACK) end();
    },
    onPointerUp: end,
    onPointerCancel: end,
  };
}
