import { path, svg } from '../lib/dom.js';

/** The mark of NeonChat: a bubble drawn by one line of light. */
export const Logo = () =>
  svg({ class: 'logo', viewBox: '0 0 32 32', 'aria-hidden': true }, path({ d: 'M6 24.5V11a5 5 0 0 1 5-5h10a5 5 0 0 1 5 5v6a5 5 0 0 1-5 5H10.5Z' }), path({ d: 'M12 12.5h8M12 16.5h5' }));
