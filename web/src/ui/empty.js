import { div, h, p } from '../lib/dom.js';
import { Icon } from './icons.js';
import { Logo } from './logo.js';

/**
 * What is shown where there is nothing.
 * @param {{icon: import('./icons.js').IconName | 'logo', title: string, hint?: string, children?: import('../lib/dom.js').Children}} props
 */
export const Empty = ({ icon, title, hint, children }) =>
  div({ class: 'empty' }, div({ class: 'empty-picture' }, icon === 'logo' ? h(Logo, {}) : h(Icon, { name: icon })), p({ class: 'empty-title' }, title), hint && p({ class: 'empty-hint' }, hint), children);
