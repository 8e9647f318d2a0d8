-- Older versions do not know events, and would show deleted messages as empty ones.
DO $$
BEGIN
    IF EXISTS (SELECT FROM chat_events) THEN
        RAISE EXCEPTION 'chat_events has rows, which older versions cannot read';
    END IF;
END
$$;

DROP TABLE message_versions;
DROP TABLE chat_events;
ALTER TABLE messages
    DROP CONSTRAINT messages_text_check,
    DROP COLUMN changed_seq,
    DROP COLUMN deleted_at,
    ADD CONSTRAINT messages_text_check CHECK (char_length(text) BETWEEN 1 AND 4096) NOT VALID;
ALTER TABLE chats DROP COLUMN event_count, DROP COLUMN event_seq, DROP COLUMN gone_seq;
