DROP INDEX CONCURRENTLY chat_members_groups;
