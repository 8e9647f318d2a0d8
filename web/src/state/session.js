import { signal } from '../../vendor/signals.js';
import * as storage from '../lib/storage.js';
import { KEPT } from './settings.js';

/**
 * @typedef {{id: string, username: string}} User
 * @typedef {typeof import('./client.js')} ClientModule
 */

/** Who is signed in; `null`: nobody. Before the store is read it is who was signed in last. @type {import('../../vendor/signals.js').Signal<User | null>} */
export const user = signal(storage.load('user') ?? null);

/** Why the session has ended if not by the user; said once. @type {import('../../vendor/signals.js').Signal<string | null>} */
export const ended = signal(storage.load('ended') ?? null);
storage.save('ended', undefined);

/** Whether the page is being loaded again: what it has in memory is not for the next user. */
export const leaving = signal(false);

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

/** How long the page stays for the server to learn that the session ends. After that the browser alone goes on telling it. */
const PATIENCE = 2_000;
/** The page stays until everything is deleted. */
let isSigningOut = false;
/** What it waits for then. @type {Promise<unknown>} */
let farewell = Promise.resolve();

/** @param {User | null} next @param {string} [reason] */
export function changed(next, reason) {
  if (isSigningOut) return;
  const owner = storage.load('owner') ?? user.value?.id;
  // What a session leaves that ends by itself is for the same user.
  if (reason === 'logout' || (next && owner && owner !== next.id)) storage.wipe(KEPT);
  if (next) storage.save('owner', next.id);
  if (next?.id === user.value?.id) return;
  storage.save('user', next ?? undefined);
  if (user.value) leave(next ? undefined : reason);
  else user.value = next;
}

/** @param {string} [reason] */
async function leave(reason) {
  if (leaving.value) return;
  if (reason && !/^(logout|no_session)$/.test(reason)) storage.save('ended', reason);
  leaving.value = true;
  try {
    const worker = await navigator.serviceWorker?.getRegistration();
    for (const one of (await worker?.getNotifications()) ?? []) one.close();
    await farewell;
  } finally {
    location.reload();
  }
}

/** @param {string} username @param {string} password */
export async function signIn(username, password) {
  const { client } = await openClient();
  const data = await client.login({ username, password, cookie: true, device_name: deviceName() });
  changed(data.user);
}

/** @param {string} username @param {string} password */
export async function register(username, password) {
  const { client } = await openClient();
  await client.rest.request('POST', '/auth/register', { body: { username, password }, token: null });
  await signIn(username, password);
}

export async function signOut() {
  const module = await openClient();
  farewell = Promise.race([module.tellEnd(), new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
  await logOut(module.forget);
}

/** Ends the sessions of all devices, this one too. */
export async function signOutEverywhere() {
  const { client, forget } = await openClient();
  await logOut(async () => {
    try {
      await client.rest.request('POST', '/auth/logout', { body: { everywhere: true }, cookie: true });
    } catch (error) {
      if (client.session) throw error;
    }
    await forget();
  });
}

/** @param {() => Promise<void>} work deletes what is stored */
async function logOut(work) {
  isSigningOut = true;
  try {
    await work();
  } finally {
    isSigningOut = false;
  }
  changed(null, 'logout');
}

/** What the list of devices shows: the browser and the system, as far as they tell. */
function deviceName() {
  const { userAgent } = navigator;
  const find = (/** @type {[RegExp, string][]} */ names) => names.find(([pattern]) => pattern.test(userAgent))?.[1];
  const browser = find([[/Edg\//, 'Edge'], [/OPR\//, 'Opera'], [/Firefox\//, 'Firefox'], [/Chrom(e|ium)\//, 'Chrome'], [/Safari\//, 'Safari']]);
  const system = find([[/Android/, 'Android'], [/iPhone|iPad/, 'iOS'], [/Windows/, 'Windows'], [/Mac OS/, 'macOS'], [/Linux/, 'Linux']]);
  return [browser ?? 'Browser', system].filter(Boolean).join(', ');
}
