-- Older versions do not know groups.
DO $$
BEGIN
    IF EXISTS (SELECT FROM chats WHERE kind <> 'direct') THEN
        RAISE EXCEPTION 'there are groups or channels, which older versions cannot read';
    END IF;
END
$$;

DROP TABLE chat_audit, member_changes, join_requests, chat_invites, chat_bans, chat_profiles;
ALTER TABLE chat_members
    DROP COLUMN role, DROP COLUMN is_group, DROP COLUMN from_seq, DROP COLUMN restricted_until, DROP COLUMN joined_seq, DROP COLUMN sent_at;
ALTER TABLE chats DROP CONSTRAINT chats_kind_check, DROP CONSTRAINT chats_of_two;
ALTER TABLE chats
    ALTER user1_id SET NOT NULL,
    ALTER user2_id SET NOT NULL,
    DROP COLUMN access_version,
    DROP COLUMN member_count,
    DROP COLUMN class,
    DROP COLUMN send_role,
    DROP COLUMN delete_role,
    DROP COLUMN slow_s,
    DROP COLUMN is_closed,
    DROP COLUMN is_purged,
    ADD CONSTRAINT chats_kind_check CHECK (kind IN ('direct')),
    ADD CONSTRAINT chats_of_two CHECK (user1_id <> user2_id);
