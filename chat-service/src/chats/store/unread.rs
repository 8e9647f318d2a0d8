//! The number of unread messages, as SQL.

/// The number of messages by others that a member has not read, without deleted ones: an expression over the row of the chat and
/// what the member has seen: the highest one of the read marker, `from_seq` and `floor_seq`, up to which all messages are deleted.
///
/// Messages and other events share one sequence without gaps. So the unread messages are the numbers after the marker, minus
/// those of other events, which `chat_events.n` counts, minus deleted messages, which a partial index lists. Of the member's own
/// messages only the passive ones are among them, because sending another one moves the marker to it. If none of these is after the
/// marker, nothing is looked up.
///
/// `$member` has `user_id` and `passive_seq`.
macro_rules! unread_count {
    ($chat:literal, $member:literal, $seen_seq:literal) => {
        concat!(
            "(",
            $chat,
            ".last_seq - ",
            $seen_seq,
            "
              - CASE WHEN ",
            $seen_seq,
            " >= ",
            $chat,
            ".event_seq THEN 0
                     ELSE ",
            $chat,
            ".event_count - coalesce((
                         SELECT n FROM chat_events
                          WHERE chat_id = ",
            $chat,
            ".id AND seq <= ",
            $seen_seq,
            " ORDER BY seq DESC LIMIT 1), 0)
                END
              - CASE WHEN ",
            $seen_seq,
            " >= ",
            $chat,
            ".gone_seq THEN 0
                     ELSE (SELECT count(*) FROM messages
                            WHERE chat_id = ",
            $chat,
            ".id AND seq > ",
            $seen_seq,
            " AND deleted_at IS NOT NULL)
                END
              - CASE WHEN ",
            $seen_seq,
            " >= ",
            $member,
            ".passive_seq THEN 0
                     ELSE (SELECT count(*) FROM passive_messages AS passive
                            WHERE passive.chat_id = ",
            $chat,
            ".id AND passive.user_id = ",
            $member,
            ".user_id AND passive.seq > ",
            $seen_seq,
            ")
                END)"
        )
    };
}

/// The number of unread messages that mention or answer the member, at most 100: an expression as [`unread_count!`].
///
/// A mention of all members is one row for all of them.
macro_rules! mention_count {
    ($chat:literal, $member:literal, $seen_seq:literal) => {
        concat!(
            "(CASE WHEN ",
            $seen_seq,
            " >= ",
            $chat,
            ".last_seq THEN 0
                   ELSE least(100,
                        (SELECT count(*) FROM (
                                SELECT FROM mentions AS mention
                                 WHERE mention.user_id = ",
            $member,
            ".user_id AND mention.chat_id = ",
            $chat,
            ".id AND mention.seq > ",
            $seen_seq,
            " LIMIT 100) AS own)
                        + CASE WHEN ",
            $seen_seq,
            " >= ",
            $chat,
            ".all_seq THEN 0
                               ELSE (SELECT count(*) FROM (
                                            SELECT FROM mentions AS mention
                                              JOIN messages USING (chat_id, seq)
                                             WHERE mention.user_id = '00000000-0000-0000-0000-000000000000'
                                                   AND mention.chat_id = ",
            $chat,
            ".id AND mention.seq > ",
            $seen_seq,
            " AND sender_id <> ",
            $member,
            ".user_id LIMIT 100) AS of_all)
                          END)
              END)"
        )
    };
}

pub(crate) use {mention_count, unread_count};
