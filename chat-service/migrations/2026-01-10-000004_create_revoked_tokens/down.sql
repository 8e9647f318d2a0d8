DROP INDEX idx_chats_created_at;
DROP TABLE revoked_tokens;
