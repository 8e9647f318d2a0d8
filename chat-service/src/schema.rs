//! The tables, as `migrations/` makes them. Columns that no query uses yet are left out.

use diesel::{allow_tables_to_appear_in_same_query, table};

table! {
    /// People.
    users (id) {
        /// UUID v4.
        id -> Uuid,
        /// As its owner writes it.
        username -> Text,
        /// Folded: see [`crate::users::username::Username::key`].
        username_key -> Text,
        /// See [`crate::users::username::Username::skeleton`]. NULL where an older user has the same one, or it was
        /// not computed yet.
        username_skeleton -> Nullable<Text>,
        /// bcrypt.
        password_hash -> Text,
        /// When the user registered.
        created_at -> Timestamptz,
    }
}

table! {
    /// Chats, each with the one sequence of its events.
    chats (id) {
        /// UUID v7.
        id -> Uuid,
        /// `direct`.
        kind -> Text,
        /// Who opened it.
        user1_id -> Uuid,
        /// The other one.
        user2_id -> Uuid,
        /// The place of the last event.
        last_seq -> BigInt,
        /// When the last event was made, or the chat.
        updated_at -> Timestamptz,
    }
}

table! {
    /// Who is in which chat.
    chat_members (chat_id, user_id) {
        /// The chat.
        chat_id -> Uuid,
        /// The member.
        user_id -> Uuid,
        /// The member has read every event up to this one.
        read_seq -> BigInt,
    }
}

table! {
    /// Messages.
    messages (id) {
        /// UUID v7.
        id -> Uuid,
        /// The chat.
        chat_id -> Uuid,
        /// Its place among the chat's events.
        seq -> BigInt,
        /// Who wrote it.
        sender_id -> Uuid,
        /// Chosen by who wrote it: the same one again stores nothing.
        request_id -> Uuid,
        /// What was written.
        text -> Text,
        /// When it was stored.
        created_at -> Timestamptz,
        /// When it was last changed.
        updated_at -> Timestamptz,
    }
}

table! {
    /// Tokens that are refused although they have not expired.
    revoked_tokens (id) {
        /// The token's `jti`.
        id -> Uuid,
        /// Whose it was.
        user_id -> Uuid,
        /// From when on it is refused anyway.
        expires_at -> Timestamptz,
    }
}

diesel::joinable!(chat_members -> chats (chat_id));
allow_tables_to_appear_in_same_query!(users, chats, chat_members, messages);
