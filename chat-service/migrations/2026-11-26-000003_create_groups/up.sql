-- Requests wait behind this migration while it waits for a table. It fails after 5 s instead, and is tried again at the next start.
SET LOCAL lock_timeout = '5s';

-- Groups and channels beside direct chats. A direct chat keeps its two users in its row; a group has members only.
ALTER TABLE chats DROP CONSTRAINT chats_kind_check, DROP CONSTRAINT chats_of_two;
ALTER TABLE chats
    ALTER user1_id DROP NOT NULL,
    ALTER user2_id DROP NOT NULL,
    -- Grows with every change that takes a right away. A message that was allowed under another version is not stored.
    ADD access_version INT      NOT NULL DEFAULT 0,
    -- Changes with the rows of chat_members, under the lock of this row.
    ADD member_count   INT      NOT NULL DEFAULT 2,
    -- 0 small, 1 medium, 2 large: a chat keeps its class until its number of members has clearly left it.
    ADD class          SMALLINT NOT NULL DEFAULT 0,
    -- The lowest role that may send: a copy of the setting for the statement that stores messages.
    ADD send_role      SMALLINT NOT NULL DEFAULT 1,
    -- The lowest role that may delete messages of others: a copy of the setting. In a direct chat no member has it.
    ADD delete_role    SMALLINT NOT NULL DEFAULT 2,
    -- The least time between two messages of a member, in seconds: the setting, or the default of the class.
    ADD slow_s         INT      NOT NULL DEFAULT 0,
    -- A closed chat does not exist for its members. Its rows in other tables are deleted later.
    ADD is_closed      BOOLEAN  NOT NULL DEFAULT FALSE,
    -- They are deleted. What stays counts for the limit of created chats, and recognizes a repeated creation.
    ADD is_purged      BOOLEAN  NOT NULL DEFAULT FALSE,
    -- Not validated here: that reads the whole table, and nothing could be sent meanwhile.
    ADD CONSTRAINT chats_kind_check CHECK (kind IN ('direct', 'group', 'channel')) NOT VALID,
    ADD CONSTRAINT chats_of_two CHECK (CASE WHEN kind = 'direct'
        THEN user1_id IS NOT NULL AND user2_id IS NOT NULL AND user1_id <> user2_id
        ELSE user1_id IS NULL AND user2_id IS NULL END) NOT VALID;

-- What sending a message does not need, so that the row that each message updates stays narrow.
CREATE TABLE chat_profiles (
    chat_id     UUID PRIMARY KEY REFERENCES chats,
    title       TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    -- The name of a public chat, unique together with the usernames.
    handle      TEXT COLLATE "C" UNIQUE,
    -- Handle, title and description in lower case, for the search of public chats.
    search_key  TEXT NOT NULL,
    -- The settings, as JSON that only the service reads.
    settings    TEXT NOT NULL,
    created_by  UUID NOT NULL,
    -- The idempotency key of the creation.
    request_id  UUID NOT NULL,

    CONSTRAINT chat_profiles_request UNIQUE (created_by, request_id)
);

-- Only public chats are in it, so no search reads others.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE INDEX chat_profiles_search ON chat_profiles USING gin (search_key gin_trgm_ops) WHERE handle IS NOT NULL;

ALTER TABLE chat_members
    -- 1 member, 2 admin, 3 owner.
    ADD role             SMALLINT NOT NULL DEFAULT 1,
    -- Whether the chat is a group or channel: for the number of a user's, without their direct chats.
    ADD is_group         BOOLEAN  NOT NULL DEFAULT FALSE,
    -- Events up to this seq do not exist for the member.
    ADD from_seq         BIGINT   NOT NULL DEFAULT 0,
    -- The last seq of the chat when the member joined. A removal with a lower seq is an earlier one.
    ADD joined_seq       BIGINT   NOT NULL DEFAULT 0,
    -- Until then the member may only read.
    ADD restricted_until TIMESTAMPTZ,
    -- When the member last sent a message, for slow_s.
    ADD sent_at          TIMESTAMPTZ;

CREATE TABLE chat_bans (
    chat_id UUID NOT NULL,
    user_id UUID NOT NULL,
    by_id   UUID NOT NULL,
    at      TIMESTAMPTZ NOT NULL,
    reason  TEXT,

    PRIMARY KEY (chat_id, user_id)
);

CREATE TABLE chat_invites (
    code       TEXT COLLATE "C" PRIMARY KEY,
    chat_id    UUID NOT NULL,
    by_id      UUID NOT NULL,
    -- Whether an admin has to accept each user.
    approve    BOOLEAN NOT NULL,
    uses       INT NOT NULL DEFAULT 0,
    max_uses   INT,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX chat_invites_chat ON chat_invites (chat_id, code);

CREATE TABLE join_requests (
    chat_id UUID NOT NULL,
    user_id UUID NOT NULL,
    code    TEXT,
    at      TIMESTAMPTZ NOT NULL,

    PRIMARY KEY (chat_id, user_id)
);

-- Who did what in a chat, for its admins.
CREATE TABLE chat_audit (
    chat_id    UUID NOT NULL,
    id         BIGINT GENERATED ALWAYS AS IDENTITY,
    at         TIMESTAMPTZ NOT NULL,
    actor_id   UUID NOT NULL,
    action     TEXT NOT NULL,
    -- What the action names: users, a role, a code.
    details    JSONB NOT NULL,
    -- The idempotency key of a join or leave of a large chat, which has no event.
    request_id UUID,

    PRIMARY KEY (chat_id, id)
);
CREATE UNIQUE INDEX chat_audit_request ON chat_audit (actor_id, request_id) WHERE request_id IS NOT NULL;

-- Who became or ceased to be a member of a group lately, for the feed that notification-service reads in its resync. Rows
-- older than a day are deleted.
CREATE TABLE member_changes (
    at      TIMESTAMPTZ NOT NULL,
    user_id UUID NOT NULL,
    -- The member who added the user, for the limit of additions.
    by_id   UUID
);
CREATE INDEX member_changes_at ON member_changes (at);
CREATE INDEX member_changes_by ON member_changes (by_id, at) WHERE by_id IS NOT NULL;
