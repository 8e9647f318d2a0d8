CREATE TABLE chats (
    id            UUID PRIMARY KEY,
    kind          TEXT NOT NULL DEFAULT 'direct' CHECK (kind IN ('direct')),
    user1_id      UUID NOT NULL REFERENCES users,
    user2_id      UUID NOT NULL REFERENCES users,
    -- The seq of the chat's last durable event. Events get their seq under the lock of this row.
    last_seq      BIGINT NOT NULL DEFAULT 0,
    -- The time of that event. The next one gets a later time, whatever the clock says.
    last_event_at TIMESTAMPTZ,
    created_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at    TIMESTAMPTZ NOT NULL DEFAULT now(),

    CONSTRAINT chats_of_two CHECK (user1_id <> user2_id)
)
-- Each message updates this row. No changed column is indexed and the page has room, so the update stays in the page (HOT).
WITH (fillfactor = 80);

-- One direct chat per unordered pair of users.
CREATE UNIQUE INDEX idx_chat_pair ON chats (LEAST(user1_id, user2_id), GREATEST(user1_id, user2_id));

CREATE TABLE chat_members (
    chat_id   UUID NOT NULL REFERENCES chats,
    user_id   UUID NOT NULL REFERENCES users,
    -- The read marker: the member has read every event up to this seq.
    read_seq  BIGINT NOT NULL DEFAULT 0,
    joined_at TIMESTAMPTZ NOT NULL DEFAULT now(),

    PRIMARY KEY (chat_id, user_id)
)
WITH (fillfactor = 80);

-- The chats of a user.
CREATE INDEX idx_chat_members_user ON chat_members (user_id, chat_id);
