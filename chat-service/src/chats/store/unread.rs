//! The number of unread messages, as SQL.

/// The number of messages by others that a member has not read, without deleted ones: an expression over the row of the chat and
/// what the member has seen, the higher one of the read marker and `from_seq`.
///
/// Messages and other events share one sequence without gaps. So the unread messages are the numbers after the marker, minus
/// those of other events, which `chat_events.n` counts, minus deleted messages, which a partial index lists. None of them is the
/// member's own, because sending a message moves the marker to it. If no event and no deleted message is after the marker,
/// nothing is looked up.
macro_rules! unread_count {
    ($chat:literal, $seen_seq:literal) => {
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
                END)"
        )
    };
}

pub(super) use unread_count;
