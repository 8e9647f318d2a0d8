/** How long a finger rests before a menu opens. */
const LONG = 500;

/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
/** Whether the finger that is down has opened a menu. There is one such finger: what is rendered meanwhile has new handlers. */
let isPressed = false;

const end = () => clearTimeout(timer);

/**
 * Returns the handlers of an element that has a menu: of the context-menu key, the right button, and a long press, which not every browser
 * tells as the same event.
 * @param {(element: HTMLElement, point?: {x: number, y: number}) => void} open without a point: at the element
 */
export const menuHandlers = (open) => ({
  onContextMenu(/** @type {MouseEvent & {currentTarget: any}} */ event) {
    event.preventDefault();
    end();
    // A long press may be told twice.
    if (isPressed) return;
    // The key has no place.
    open(event.currentTarget, event.clientX || event.clientY ? { x: event.clientX, y: event.clientY } : undefined);
  },
  onTouchStart(/** @type {TouchEvent & {currentTarget: any}} */ event) {
    const element = event.currentTarget;
    const { clientX: x, clientY: y } = event.touches[0];
    isPressed = false;
    end();
    if (event.touches.length > 1) return;
    timer = setTimeout(() => {
      isPressed = true;
      open(element, { x, y });
    }, LONG);
  },
  onTouchMove: end,
  onTouchCancel: end,
  onTouchEnd(/** @type {TouchEvent} */ event) {
    end();
    // It was no tap.
    if (isPressed && event.cancelable) event.preventDefault();
    setTimeout(() => (isPressed = false));
  },
});
