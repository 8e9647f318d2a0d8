-- The row of a message is also its creation event.
CREATE TABLE messages (
    id         UUID PRIMARY KEY,
    chat_id    UUID NOT NULL REFERENCES chats,
    seq        BIGINT NOT NULL CHECK (seq > 0),
    sender_id  UUID NOT NULL REFERENCES users,
    -- The idempotency key, which the sender chooses. A repeated send with the same key stores nothing.
    request_id UUID NOT NULL,
    text       TEXT NOT NULL CHECK (char_length(text) BETWEEN 1 AND 4096),
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,

    -- For reading the history in both directions.
    CONSTRAINT messages_chat_seq_unique UNIQUE (chat_id, seq),
    CONSTRAINT messages_request_unique UNIQUE (sender_id, request_id)
);
