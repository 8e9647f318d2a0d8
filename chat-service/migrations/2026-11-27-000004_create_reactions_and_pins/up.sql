-- Who reacted to a message, and how. `messages.reactions` is a summary of these rows, always counted from them.
CREATE TABLE reactions (
    chat_id     UUID        NOT NULL,
    -- The seq of the message.
    message_seq BIGINT      NOT NULL,
    user_id     UUID        NOT NULL,
    emoji       TEXT        COLLATE "C" NOT NULL CHECK (octet_length(emoji) <= 64),
    -- The reactions of a user to a message are numbered 1 to 3. So a fourth one is impossible, however many requests there are at the
    -- same time.
    slot        SMALLINT    NOT NULL CHECK (slot BETWEEN 1 AND 3),
    at          TIMESTAMPTZ NOT NULL,

    PRIMARY KEY (chat_id, message_seq, user_id, emoji),
    CONSTRAINT reactions_slot UNIQUE (chat_id, message_seq, user_id, slot)
);
-- For the counts and the lists of who reacted.
CREATE INDEX reactions_newest ON reactions (chat_id, message_seq, emoji, at, user_id);

-- Messages of chats that are not small, whose reactions changed without an event yet. Each statement that changes reactions adds its
-- own rows, and nobody waits for the row of another.
CREATE TABLE reactions_due (
    id          BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chat_id     UUID        NOT NULL,
    message_seq BIGINT      NOT NULL,
    due_at      TIMESTAMPTZ NOT NULL
);
CREATE INDEX reactions_due_at ON reactions_due (due_at);
CREATE INDEX reactions_due_message ON reactions_due (chat_id, message_seq);

-- The requests that changed a reaction without an event of their own, so that a repeated one changes nothing.
CREATE TABLE reaction_requests (
    user_id    UUID   NOT NULL,
    -- The idempotency key, which the user chooses.
    request_id UUID   NOT NULL,
    -- A digest of what the request asked for.
    digest     BIGINT NOT NULL,

    PRIMARY KEY (user_id, request_id)
);

CREATE TABLE pins (
    chat_id     UUID        NOT NULL,
    -- The seq of the message.
    message_seq BIGINT      NOT NULL,
    by_id       UUID        NOT NULL,
    at          TIMESTAMPTZ NOT NULL,

    PRIMARY KEY (chat_id, message_seq)
);
