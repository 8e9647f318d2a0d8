-- For the owner and the admins of a chat. CONCURRENTLY: sending goes on while a large table is read.
CREATE INDEX CONCURRENTLY chat_members_admins ON chat_members (chat_id, role, user_id) WHERE role > 1;
