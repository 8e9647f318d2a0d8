ALTER TABLE chat_profiles DROP COLUMN request_digest;
