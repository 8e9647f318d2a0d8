-- Requests wait behind this migration while it waits for a table. It fails after 5 s instead, and is tried again at the next start.
SET LOCAL lock_timeout = '5s';

ALTER TABLE messages
    -- What only some messages have: entities, mentions, the message that it answers, where it was forwarded from. NULL if nothing.
    ADD extra        JSONB,
    -- A digest of what the sender gave beside the text, to recognize a repetition. NULL if nothing.
    ADD extra_digest BIGINT,
    -- The counts of its reactions, made from the rows of the reactions. NULL if there are none.
    ADD reactions    JSONB,
    -- From then on the message counts as deleted. NULL if it stays.
    ADD expires_at   TIMESTAMPTZ;

ALTER TABLE message_versions ADD extra JSONB;

ALTER TABLE chats
    -- How long new messages stay, in seconds. 0 is for ever.
    ADD ttl_s      INT      NOT NULL DEFAULT 0,
    -- The seq of the last message that mentions all members.
    ADD all_seq    BIGINT   NOT NULL DEFAULT 0,
    -- The lowest roles that may react and pin: copies of the settings. In a direct chat both members may.
    ADD react_role SMALLINT NOT NULL DEFAULT 1,
    ADD pin_role   SMALLINT NOT NULL DEFAULT 2;

ALTER TABLE chat_profiles
    -- When all members were last mentioned, and by the send with which request_id.
    ADD all_mentioned_at      TIMESTAMPTZ,
    ADD all_mentioned_request UUID;

ALTER TABLE chat_members
    -- The seq of the member's last message that did not read the chat up to it.
    ADD passive_seq BIGINT NOT NULL DEFAULT 0;

-- Whom a message mentions, or answers. The user 00000000-0000-0000-0000-000000000000 stands for all members.
CREATE TABLE mentions (
    user_id UUID        NOT NULL,
    chat_id UUID        NOT NULL,
    seq     BIGINT      NOT NULL,
    -- When the message was sent.
    at      TIMESTAMPTZ NOT NULL,

    PRIMARY KEY (user_id, chat_id, seq)
);
CREATE INDEX mentions_message ON mentions (chat_id, seq);
CREATE INDEX mentions_newest ON mentions (user_id, at);

-- The messages that answer a message.
CREATE TABLE replies (
    chat_id UUID   NOT NULL,
    -- The seq of the message that is answered.
    to_seq  BIGINT NOT NULL,
    seq     BIGINT NOT NULL,

    PRIMARY KEY (chat_id, to_seq, seq)
);

-- The messages that did not read the chat for their sender: scheduled ones. They are unread messages of nobody but others.
CREATE TABLE passive_messages (
    chat_id UUID   NOT NULL,
    user_id UUID   NOT NULL,
    seq     BIGINT NOT NULL,

    PRIMARY KEY (chat_id, user_id, seq)
);
