-- For the number of deleted messages after a read marker. CONCURRENTLY: sending goes on while a large table is read.
CREATE INDEX CONCURRENTLY messages_gone ON messages (chat_id, seq) WHERE deleted_at IS NOT NULL;
