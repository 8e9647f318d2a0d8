-- Sessions: one row for each login. Tokens name their session, and its end revokes them. Refresh tokens are not stored: each is derived
-- from the session, the counter and a key.
CREATE TABLE sessions (
    id           UUID        PRIMARY KEY,
    user_id      UUID        NOT NULL,
    -- The number of the refresh token that is valid now. Each use increments it.
    counter      INTEGER     NOT NULL DEFAULT 0 CHECK (counter >= 0),
    -- When the counter was last incremented. For a short time after that, the previous refresh token gets the same successor again.
    rotated_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    created_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- To within an hour.
    last_used_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    -- Each refresh moves it.
    expires_at   TIMESTAMPTZ NOT NULL,
    -- When the session was ended before its time.
    revoked_at   TIMESTAMPTZ,
    -- What ended it: an id of the call, so that an attempt after a lost answer finds the sessions that the first one ended.
    end_id       UUID,
    -- What the client and its connection say of the device, for the list of sessions.
    device_name  TEXT        CHECK (char_length(device_name) BETWEEN 1 AND 64),
    user_agent   TEXT        CHECK (char_length(user_agent) <= 256),
    ip_prefix    TEXT        NOT NULL
)
-- The time of the last use is in no index, so with room the update stays in the page (HOT).
WITH (fillfactor = 80);

CREATE INDEX sessions_of_user ON sessions (user_id, id);
-- For the feed of recent changes, which notification-service reads in its resync.
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
-- For the deletion of sessions that ended.
CREATE INDEX sessions_expired ON sessions (expires_at);

-- Users who logged out everywhere, or changed the password. It revokes their tokens that were issued before this time and belong to no
-- session: those of versions without sessions.
CREATE TABLE token_cutoffs (
    user_id       UUID        PRIMARY KEY,
    issued_before TIMESTAMPTZ NOT NULL
);

CREATE INDEX token_cutoffs_time ON token_cutoffs (issued_before);
