-- Members who were removed together with their messages. A job deletes the messages, and moves until_seq and remaining.
CREATE TABLE message_cleanups (
    chat_id       UUID NOT NULL,
    user_id       UUID NOT NULL,
    -- Who asked for it, and deletes the messages.
    by_id         UUID NOT NULL,
    -- What is still to be looked through: the events after from_seq, up to until_seq.
    from_seq      BIGINT NOT NULL,
    until_seq     BIGINT NOT NULL,
    -- How many messages are still to be deleted at most.
    remaining     INT NOT NULL,
    -- An instance works on it until then.
    claimed_until TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),

    PRIMARY KEY (chat_id, user_id)
);
CREATE INDEX message_cleanups_claimed_until ON message_cleanups (claimed_until);
