import { t } from '../lib/i18n.js';
import { refused, toast } from '../ui/toast.js';

/** What an invite looks like to people: a page of this client, wherever it is served. @param {string} code */
export const inviteUrl = (code) => `${location.origin}/invite/${code}`;

/** @param {string} url */
export const copyLink = (url) => navigator.clipboard.writeText(url).then(() => toast(t().groups.linkCopied), refused);
