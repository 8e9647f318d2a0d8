CREATE TABLE users (
    id            UUID PRIMARY KEY,
    username      TEXT NOT NULL,
    -- The username, folded by the service (NFKC, without case), so that the equality of names does not depend on the
    -- locale of the database. With COLLATE "C", a search by prefix is a range of the index.
    username_key  TEXT COLLATE "C" NOT NULL,
    password_hash TEXT NOT NULL,
    email         TEXT UNIQUE,
    avatar_url    TEXT,
    status        TEXT NOT NULL DEFAULT 'active',
    last_seen_at  TIMESTAMPTZ,
    created_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at    TIMESTAMPTZ NOT NULL DEFAULT now(),

    CONSTRAINT users_username_key_unique UNIQUE (username_key)
);
