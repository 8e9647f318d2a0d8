-- Only one statement inserts messages. It does so under the lock of the chat's row, and only if the sender is in
-- `chat_members`, which refers to both chats and users. Checking both again, and locking the user's row for it, took a
-- fifth of the time that Postgres needs to store a message (docs/PERFORMANCE.md). Code that deletes chats or users must
-- decide explicitly what happens to their messages.
ALTER TABLE messages DROP CONSTRAINT messages_chat_id_fkey, DROP CONSTRAINT messages_sender_id_fkey;
