-- For the number of a user's chats without closed ones. CONCURRENTLY: sending goes on while a large table is read.
CREATE INDEX CONCURRENTLY chats_closed ON chats (id) WHERE is_closed AND NOT is_purged;
