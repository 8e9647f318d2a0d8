-- Requests wait behind this migration while it waits for a table. It fails after 5 s instead, and is tried again at the next start.
SET LOCAL lock_timeout = '5s';

-- The digest of the request that created the chat: a repeated request_id with other content is refused. NULL in older rows.
ALTER TABLE chat_profiles ADD request_digest TEXT;
