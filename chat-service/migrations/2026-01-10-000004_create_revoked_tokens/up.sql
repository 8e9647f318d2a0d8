-- Tokens that are refused although they have not expired. A row is of no use once its token has, and is then deleted.
CREATE TABLE revoked_tokens (
    id         UUID PRIMARY KEY,
    user_id    UUID NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    revoked_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX idx_revoked_tokens_expires_at ON revoked_tokens (expires_at);

-- What happened lately, for a service that was not told of it.
CREATE INDEX idx_revoked_tokens_revoked_at ON revoked_tokens (revoked_at);
CREATE INDEX idx_chats_created_at ON chats (created_at);
