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

/** Whether the finger that is down has opened a menu. */
let isPressed = false;

/**
 * Attributes of a link that has a menu: of the context-menu key, the right button, and a long press.
 * @param {(element: HTMLElement, point?: {x: number, y: number}) => void} open without a point: at the element
 */
export function menuOf(open) {
  const { onPointerDown, ...others } = longPress((element, point) => {
    isPressed = true;
    open(element, point);
  });
  return {
    ...others,
    onPointerDown(/** @type {PointerEvent & {currentTarget: HTMLElement}} */ event) {
      isPressed = false;
      onPointerDown(event);
    },
    onContextMenu(/** @type {MouseEvent & {currentTarget: HTMLElement}} */ event) {
      event.preventDefault();
      end();
      // A long press may be told twice. The key has no place.
      if (!isPressed) open(event.currentTarget, event.clientX || event.clientY ? { x: event.clientX, y: event.clientY } : undefined);
    },
    // It was no tap.
    onClick: (/** @type {MouseEvent} */ event) => isPressed && event.preventDefault(),
  };
}
