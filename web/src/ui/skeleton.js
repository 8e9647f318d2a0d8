import { div, main, nav } from '../lib/dom.js';
import { t } from '../lib/i18n.js';

const ROWS = Array.from({ length: 8 }, (_, n) => n);

/** The list of chats while it is not known. */
export const ListSkeleton = () =>
  div({ class: 'skeleton-list', 'aria-hidden': true }, ROWS.map((n) => div({ class: 'skeleton-chat', key: n }, div({ class: 'bone round' }), div({ class: 'bones' }, div({ class: 'bone wide' }), div({ class: 'bone' })))));

/** The messages of a chat while they are not known. */
export const ChatSkeleton = () =>
  div({ class: 'skeleton-log', 'aria-hidden': true }, ROWS.slice(0, 6).map((n) => div({ class: `bone bubble-${n % 3}`, key: n })));

/** The whole client while it is loaded. */
export const Frame = () => [nav({ class: 'side', 'aria-label': t().chats }, ListSkeleton()), main({ class: 'main' })];
