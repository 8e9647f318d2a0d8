import { path, svg } from '../lib/dom.js';

/** Lines on a grid of 24. */
const PATHS = {
  plus: 'M12 5v14M5 12h14',
  back: 'M15 5l-7 7 7 7',
  close: 'M6 6l12 12M18 6L6 18',
  send: 'M5 12h13M12.5 5.5L19 12l-6.5 6.5',
  down: 'M12 5v14M5.5 12.5L12 19l6.5-6.5',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l4.5 4.5',
  more: 'M5 11.5a.5.5 0 1 0 0 1 .5.5 0 0 0 0-1zM12 11.5a.5.5 0 1 0 0 1 .5.5 0 0 0 0-1zM19 11.5a.5.5 0 1 0 0 1 .5.5 0 0 0 0-1z',
  settings: 'M4 7h9M17 7h3M15 5v4M4 17h3M11 17h9M9 15v4',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7.5V12l3 2',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  checks: 'M2.5 12.5L7 17l9-9.5M12.5 16.5l.5.5 8.5-9.5',
  alert: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7.5V13M12 16.5h.01',
  reply: 'M9 7l-5 5 5 5M4.5 12H15a5 5 0 0 1 5 5v1',
  forward: 'M15 7l5 5-5 5M19.5 12H9a5 5 0 0 0-5 5v1',
  edit: 'M4.5 19.5l1-4L16 5a2.1 2.1 0 0 1 3 3L8.5 18.5z',
  trash: 'M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  pin: 'M9 4h6l-.8 6 3.3 3.5h-11L9.8 10zM12 13.5V20',
  smile: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8.5 14.5a4.5 4.5 0 0 0 7 0M9 9.5h.01M15 9.5h.01',
  eye: 'M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 14.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z',
  mute: 'M4 10v4h3.5L12 18V6L7.5 10zM16 9.5l5 5M21 9.5l-5 5',
  archive: 'M4 5h16v4H4zM5.5 9v10h13V9M10 13h4',
  group: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20a6.5 6.5 0 0 1 13 0M16 4.5a3.5 3.5 0 0 1 0 6M18 14a6.5 6.5 0 0 1 3.5 6',
  channel: 'M4 10v4l11 5V5zM15 9a3.5 3.5 0 0 1 0 6M6.5 15l1 5h3l-1-3.6',
  silent: 'M6 10a6 6 0 0 1 9.5-4.9M18 10c0 5 2 6 2 7H7M4 17c0-1 2-2 2-7M10.5 20h3M3.5 3.5l17 17',
  link: 'M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.7l-1 1M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.7l1-1',
  ban: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM5.7 5.7l12.6 12.6',
  leave: 'M10 4.5H5v15h5M14 8l4 4-4 4M18 12H9.5',
  star: 'M12 4l2.4 5 5.6.7-4.1 3.8 1.1 5.5-5-2.8-5 2.8 1.1-5.5L4 9.7 9.6 9z',
  key: 'M8 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 12h8.5M17 12v3.5',
  unmute: 'M4 10v4h3.5L12 18V6L7.5 10zM16 9a4 4 0 0 1 0 6M18.5 6.5a7.5 7.5 0 0 1 0 11',
  bell: 'M6 10a6 6 0 0 1 12 0c0 5 2 6 2 7H4c0-1 2-2 2-7M10.5 20h3',
  folder: 'M4 6.5h6l2 2.5h8v10H4z',
  unread: 'M20 12a8 8 0 1 1-4-6.9M19 8a3 3 0 1 0 0-6 3 3 0 0 0 0 6z',
  broom: 'M14 4l-2.5 8M8 12h8l1.5 8H6.5zM10 16v4M14 16v4',
  device: 'M3.5 5.5h17v11h-17zM9 20h6M12 16.5V20',
  phone: 'M7.5 3h9v18h-9zM11 18h2',
  keyboard: 'M3 6.5h18v11H3zM7 10h.01M10.5 10h.01M14 10h.01M17.5 10h.01M8 14h8',
  download: 'M12 4v11M7 10.5l5 5 5-5M5 19.5h14',
  user: 'M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5a7.5 7.5 0 0 1 15 0',
  list: 'M9 6.5h11M9 12h11M9 17.5h11M4.5 6.5h.01M4.5 12h.01M4.5 17.5h.01',
  calendar: 'M4.5 6.5h15v13h-15zM4.5 10.5h15M8.5 4v4M15.5 4v4',
};

/** @typedef {keyof typeof PATHS} IconName */

/** A picture for something that has a name beside it. @param {{name: IconName}} props */
export const Icon = ({ name }) => svg({ class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': true }, path({ d: PATHS[name] }));
