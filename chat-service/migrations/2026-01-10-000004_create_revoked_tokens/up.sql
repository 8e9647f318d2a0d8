-- Tokens that are refused although they have not expired. A row is deleted after its token has expired.
CREATE TABLE revoked_tokens (
    id         UUID PRIMARY KEY,
    user_id    UUID NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX idx_revoked_tokens_expires_at ON revoked_tokens (expires_at);

-- For the feed of recent changes, which notification-service reads in its resync.
CREATE INDEX idx_revoked_tokens_revoked_at ON revoked_tokens (revoked_at);
CREATE INDEX idx_chats_created_at ON chats (created_at);
