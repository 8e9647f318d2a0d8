-- Requests wait behind this migration while it waits for a table. It fails after 5 s instead, and is tried again at the next start.
SET LOCAL lock_timeout = '5s';

ALTER TABLE chat_members
    -- The devices of the member have every event up to this seq. What is read is delivered too: the higher one of both counts.
    ADD delivered_seq BIGINT NOT NULL DEFAULT 0;
