// Checked by tsc, never run: the types that an application sees.
import { NeonChat, NeonChatError, indexedDbStore } from '../src/index.js';

const client = new NeonChat({ url: 'http://localhost:8080', store: indexedDbStore() });

export async function check() {
  client.on('message', ({ chat_id, seq, message }) => [chat_id.length, seq + 1, message.text.length]);
  // @ts-expect-error there is no such event
  client.on('massage', () => {});

  const { chats, next } = await client.rest.get('/chats', { limit: 10 });
  chats[0].unread_count + 1;
  // `null` on the last page.
  if (next != null) next.length;
  const { members } = await client.rest.get('/chats/{id}/members', { id: chats[0].id, role: 'admin' });
  members[0].username.length;
  // @ts-expect-error no such role
  await client.rest.get('/chats/{id}/members', { id: chats[0].id, role: 'king' });
  // @ts-expect-error no such path
  await client.rest.get('/chat');
  // @ts-expect-error GET only
  await client.rest.post('/unread');
  await client.rest.post('/chats/{id}/messages', { text: 'hi' }, { id: chats[0].id });
  // @ts-expect-error a text is a string
  await client.rest.post('/chats/{id}/messages', { text: 1 }, { id: chats[0].id });
  await client.rest.patch('/chats/{id}', { title: 'Team' }, { id: chats[0].id });
  await client.rest.delete('/chats/{id}/members/me', { id: chats[0].id });

  const { request_id, stored, done } = client.send(chats[0].id, { text: 'hi' });
  request_id.length;
  await stored;
  const { seq } = await done.catch((/** @type {NeonChatError} */ error) => ({ seq: error.code.length }));
  // @ts-expect-error `null` if nothing changed
  seq + 1;

  for await (const one of client.events()) if (one.event === 'gap') one.data.from_seq + 1;
  const page = await client.timeline(chats[0].id).page({ before: 10, limit: 20 });
  page.messages[0].text.length;
  /** @type {'live' | 'stopped' | 'offline' | 'connecting' | 'syncing' | 'waiting' | 'signed_out'} */
  const state = client.state;
  return [state, client.session?.user.username, client.chats.get('x')?.unread_count, client.outbox.list()[0].code];
}
