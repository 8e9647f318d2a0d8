-- Requests wait behind this migration while it waits for a table. It fails after 5 s instead, and is tried again at the next start.
SET LOCAL lock_timeout = '5s';

ALTER TABLE chats
    -- All messages up to this seq are deleted, so nobody has to count them one by one.
    ADD floor_seq BIGINT NOT NULL DEFAULT 0;

-- Messages that are to be sent later. A row is deleted when its message is stored.
CREATE TABLE scheduled_messages (
    id         UUID        PRIMARY KEY,
    chat_id    UUID        NOT NULL,
    sender_id  UUID        NOT NULL,
    -- The idempotency key of the request, and of the message.
    request_id UUID        NOT NULL,
    -- A digest of the request, to recognize a repetition.
    digest     BIGINT      NOT NULL,
    send_at    TIMESTAMPTZ NOT NULL,
    -- When an instance has to send it: send_at, or later if it is being sent or could not be sent.
    due_at     TIMESTAMPTZ NOT NULL,
    -- Whether it may be stored already, or will be at any time. Its sender can no longer change it.
    is_claimed BOOLEAN     NOT NULL DEFAULT FALSE,
    -- The text, and what the sender gave beside it.
    body       JSONB       NOT NULL,

    CONSTRAINT scheduled_messages_request UNIQUE (sender_id, request_id)
);
CREATE INDEX scheduled_messages_due ON scheduled_messages (due_at);
CREATE INDEX scheduled_messages_list ON scheduled_messages (chat_id, sender_id, send_at, id);

-- The messages that disappear, until a job has deleted their content. Messages of chats without a timer pay nothing for it.
CREATE TABLE expiring_messages (
    expires_at TIMESTAMPTZ NOT NULL,
    chat_id    UUID        NOT NULL,
    seq        BIGINT      NOT NULL,

    PRIMARY KEY (expires_at, chat_id, seq)
);
