-- For the number of a user's groups and channels. CONCURRENTLY: sending goes on while a large table is read.
CREATE INDEX CONCURRENTLY chat_members_groups ON chat_members (user_id) WHERE is_group;
