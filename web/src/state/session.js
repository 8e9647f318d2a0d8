import { signal } from '../../vendor/signals.js';
import * as storage from '../lib/storage.js';
import { KEPT } from './settings.js';

/**
 * @typedef {{id: string, username: string}} User
 * @typedef {typeof import('./client.js')} ClientModule
 */

/** Who is signed in; `null`: nobody. Before the store is read it is who was signed in last. @type {import('../../vendor/signals.js').Signal<User | null>} */
export const user = signal(storage.load('user') ?? null);

/** Why a session ended that the user has not ended, such as `token_expired`. @type {import('../../vendor/signals.js').Signal<string | null>} */
export const ended = signal(null);

/** @type {Promise<ClientModule> | undefined} */
let opening;

/** The id of the signed-in user. What calls it is not shown to others. */
export const myId = () => user.value?.id ?? '';

/**
 * Loads the client and reads its store. The sign-in form is shown before that is done: most of the JavaScript is not on the way to it.
 * @returns {Promise<ClientModule>}
 */
export function openClient() {
  return (opening ??= load().catch((error) => {
    // Without a network it is tried again.
    opening = undefined;
    throw error;
  }));
}

async function load() {
  const module = await import('./client.js');
  await module.open(changed);
  return module;
}

/** @param {User | null} next @param {string} [reason] */
function changed(next, reason) {
  if (next?.id === user.value?.id) return;
  if (!next) ended.value = reason && !/^(logout|no_session)$/.test(reason) ? reason : null;
  if (reason === 'logout') storage.wipe(KEPT);
  storage.save('user', next ?? undefined);
  user.value = next;
}

/** @param {string} username @param {string} password */
export async function signIn(username, password) {
  const { client } = await openClient();
  const data = await client.login({ username, password, cookie: true, device_name: deviceName() });
  ended.value = null;
  changed(data.user);
}

/** @param {string} username @param {string} password */
export async function register(username, password) {
  const { client } = await openClient();
  await client.rest.request('POST', '/auth/register', { body: { username, password }, token: null });
  await signIn(username, password);
}

export async function signOut() {
  const { client } = await openClient();
  await logOut(client);
  changed(null, 'logout');
}

/**
 * Ends the session and deletes what is stored. If the session ends by itself meanwhile, the SDK deletes nothing: asked once more it does.
 * @param {import('./client.js').Client} client
 */
const logOut = (client) =>
  client.logout().catch((error) => {
    if (client.session) throw error;
    return client.logout();
  });

/** Ends the sessions of all devices, this one too. */
export async function signOutEverywhere() {
  const { client } = await openClient();
  await client.rest.request('POST', '/auth/logout', { body: { everywhere: true }, cookie: true });
  // What is stored here is deleted. The session has ended already, perhaps noticed by the client.
  await logOut(client);
  changed(null, 'logout');
  storage.wipe(KEPT);
  ended.value = null;
}

/** What the list of devices shows: the browser and the system, as far as they tell. */
function deviceName() {
  const { userAgent } = navigator;
  const find = (/** @type {[RegExp, string][]} */ names) => names.find(([pattern]) => pattern.test(userAgent))?.[1];
  const browser = find([[/Edg\//, 'Edge'], [/OPR\//, 'Opera'], [/Firefox\//, 'Firefox'], [/Chrom(e|ium)\//, 'Chrome'], [/Safari\//, 'Safari']]);
  const system = find([[/Android/, 'Android'], [/iPhone|iPad/, 'iOS'], [/Windows/, 'Windows'], [/Mac OS/, 'macOS'], [/Linux/, 'Linux']]);
  return [browser ?? 'Browser', system].filter(Boolean).join(', ');
}
