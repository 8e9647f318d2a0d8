DROP INDEX CONCURRENTLY chat_members_admins;
