-- A message is written by one statement alone, which gives it a place under the lock of its chat's row and only where its
-- sender is in `chat_members`; and that table refers to both chats and users. To look both up once more, and to lock the
-- user's row for it, took a fifth of what storing a message costs Postgres (docs/PERFORMANCE.md). Whoever makes chats or users
-- go has to make their messages go, or stay, on purpose.
ALTER TABLE messages DROP CONSTRAINT messages_chat_id_fkey, DROP CONSTRAINT messages_sender_id_fkey;
