-- What holds again for users who return to a group or channel: leaving and joining ends neither a restriction nor slow mode.
CREATE TABLE chat_former_members (
    chat_id          UUID NOT NULL,
    user_id          UUID NOT NULL,
    restricted_until TIMESTAMPTZ,
    -- When the user last sent a message, for slow_s.
    sent_at          TIMESTAMPTZ,
    -- From then on it does not matter any more, and the row is deleted.
    kept_until       TIMESTAMPTZ NOT NULL,

    PRIMARY KEY (chat_id, user_id)
);
CREATE INDEX chat_former_members_kept_until ON chat_former_members (kept_until);
