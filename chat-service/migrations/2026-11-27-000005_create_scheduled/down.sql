DROP TABLE expiring_messages, scheduled_messages;
ALTER TABLE chats DROP floor_seq;
