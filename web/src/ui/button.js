import { button, h } from '../lib/dom.js';
import { Icon } from './icons.js';

/**
 * A button that shows a picture and has a name.
 * @param {{icon: import('./icons.js').IconName, name: string, onClick?: (event: MouseEvent) => void, class?: string, [attribute: string]: any}} props
 */
export const IconButton = ({ icon, name, class: more = '', ...attributes }) =>
  button({ type: 'button', class: `icon-button ${more}`, 'aria-label': name, title: name, ...attributes }, h(Icon, { name: icon }));
