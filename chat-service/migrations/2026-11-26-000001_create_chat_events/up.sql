-- A message's row is its own creation event. Every other durable event of a chat is a row of `chat_events`. Both get
-- their seq under the lock of the chat's row, so together they number 1, 2, 3 … without gaps.
ALTER TABLE chats
    -- The number of rows in chat_events, and the seq of the last one. Sending a message changes neither.
    ADD event_count BIGINT NOT NULL DEFAULT 0,
    ADD event_seq   BIGINT NOT NULL DEFAULT 0,
    -- The highest seq of a deleted message.
    ADD gone_seq    BIGINT NOT NULL DEFAULT 0;

ALTER TABLE messages
    -- The seq of the last edit, or of the deletion.
    ADD changed_seq BIGINT,
    -- A deleted message keeps its row, without its content.
    ADD deleted_at  TIMESTAMPTZ,
    DROP CONSTRAINT messages_text_check,
    -- Not validated: the old rows satisfied a stricter constraint.
    ADD CONSTRAINT messages_text_check
        CHECK (char_length(text) <= 4096 AND (text <> '' OR deleted_at IS NOT NULL)) NOT VALID;

CREATE TABLE chat_events (
    chat_id    UUID        NOT NULL,
    seq        BIGINT      NOT NULL CHECK (seq > 0),
    -- This is the n-th row of the chat. The number of messages between two events is the difference of their seqs minus
    -- the difference of their n.
    n          BIGINT      NOT NULL CHECK (n > 0),
    kind       SMALLINT    NOT NULL,
    actor_id   UUID        NOT NULL,
    -- The idempotency key, which the actor chooses.
    request_id UUID,
    -- The seq of the message that the event is about.
    target_seq BIGINT,
    -- What is stored nowhere else. An event names what changed; the content is read from its own table, so that deleted
    -- content is in no later answer.
    body       JSONB,
    created_at TIMESTAMPTZ NOT NULL,

    -- n at a seq is read from the index alone.
    PRIMARY KEY (chat_id, seq) INCLUDE (n)
);

CREATE UNIQUE INDEX chat_events_request ON chat_events (actor_id, request_id) WHERE request_id IS NOT NULL;

-- The texts that edits replaced. They are deleted together with the message.
CREATE TABLE message_versions (
    chat_id   UUID   NOT NULL,
    -- The seq of the message.
    seq       BIGINT NOT NULL,
    -- The seq of the edit that replaced this text.
    until_seq BIGINT NOT NULL,
    text      TEXT   NOT NULL,
    -- When the text was written.
    at        TIMESTAMPTZ NOT NULL,

    PRIMARY KEY (chat_id, seq, until_seq)
);
