DROP TABLE passive_messages, replies, mentions;
ALTER TABLE chat_members DROP passive_seq;
ALTER TABLE chat_profiles DROP all_mentioned_at, DROP all_mentioned_request;
ALTER TABLE chats DROP ttl_s, DROP all_seq, DROP react_role, DROP pin_role;
ALTER TABLE message_versions DROP extra;
ALTER TABLE messages DROP extra, DROP extra_digest, DROP reactions, DROP expires_at;
