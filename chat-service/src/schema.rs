//! The tables that `migrations/` creates, without the columns that no query uses.

use diesel::{allow_tables_to_appear_in_same_query, table};

table! {
    /// The users.
    users (id) {
        /// UUID v4.
        id -> Uuid,
        /// The name as its owner spells it.
        username -> Text,
        /// The folded name: see [`crate::users::username::Username::key`].
        username_key -> Text,
        /// See [`crate::users::username::Username::skeleton`]. NULL if an older user has the same one, or if it was not
        /// computed yet.
        username_skeleton -> Nullable<Text>,
        /// A bcrypt hash.
        password_hash -> Text,
        /// When the user registered.
        created_at -> Timestamptz,
    }
}

table! {
    /// The chats, each with the head of its sequence of events.
    chats (id) {
        /// UUID v7.
        id -> Uuid,
        /// `direct`.
        kind -> Text,
        /// The user who opened the chat.
        user1_id -> Uuid,
        /// The other member.
        user2_id -> Uuid,
        /// The `seq` of the last event.
        last_seq -> BigInt,
        /// The number of rows in `chat_events`.
        event_count -> BigInt,
        /// The `seq` of the last row in `chat_events`.
        event_seq -> BigInt,
        /// The highest `seq` of a deleted message.
        gone_seq -> BigInt,
        /// When the last message was stored; without messages, when the chat was created.
        updated_at -> Timestamptz,
    }
}

table! {
    /// The members of chats.
    chat_members (chat_id, user_id) {
        /// The id of the chat.
        chat_id -> Uuid,
        /// The id of the member.
        user_id -> Uuid,
        /// The read marker: every event up to this `seq` is read.
        read_seq -> BigInt,
    }
}

table! {
    /// The messages.
    messages (id) {
        /// UUID v7.
        id -> Uuid,
        /// The id of the chat.
        chat_id -> Uuid,
        /// The number of the message in the sequence of its chat.
        seq -> BigInt,
        /// The user who sent it.
        sender_id -> Uuid,
        /// The idempotency key of the sender.
        request_id -> Uuid,
        /// The text.
        text -> Text,
        /// When it was stored.
        created_at -> Timestamptz,
        /// When it was last changed.
        updated_at -> Timestamptz,
        /// The `seq` of the last edit, or of the deletion.
        changed_seq -> Nullable<BigInt>,
        /// When it was deleted.
        deleted_at -> Nullable<Timestamptz>,
    }
}

table! {
    /// The texts that edits replaced.
    message_versions (chat_id, seq, until_seq) {
        /// The id of the chat.
        chat_id -> Uuid,
        /// The number of the message.
        seq -> BigInt,
        /// The number of the edit that replaced the text.
        until_seq -> BigInt,
        /// The replaced text.
        text -> Text,
        /// When it was written.
        at -> Timestamptz,
    }
}

table! {
    /// The tokens that are refused although they have not expired.
    revoked_tokens (id) {
        /// The token's `jti`.
        id -> Uuid,
        /// The user of the token.
        user_id -> Uuid,
        /// When the token expires.
        expires_at -> Timestamptz,
    }
}

diesel::joinable!(chat_members -> chats (chat_id));
allow_tables_to_appear_in_same_query!(users, chats, chat_members, messages);
