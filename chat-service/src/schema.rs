//! The tables that `migrations/` creates, without the columns that no query uses, or only queries in SQL.

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
        /// When the last socket closed, as far as it is known.
        last_seen_at -> Nullable<Timestamptz>,
        /// When the user registered.
        created_at -> Timestamptz,
    }
}

table! {
    /// The chats, each with the head of its sequence of events.
    chats (id) {
        /// UUID v7.
        id -> Uuid,
        /// See [`crate::rights::ChatKind`].
        kind -> Text,
        /// In a direct chat, the user who opened it.
        user1_id -> Nullable<Uuid>,
        /// In a direct chat, the other member.
        user2_id -> Nullable<Uuid>,
        /// The `seq` of the last event.
        last_seq -> BigInt,
        /// The number of rows in `chat_events`.
        event_count -> BigInt,
        /// The `seq` of the last row in `chat_events`.
        event_seq -> BigInt,
        /// Grows with every change that takes a right away.
        access_version -> Integer,
        /// The number of rows in `chat_members`.
        member_count -> Integer,
        /// The class at the last change of members: see [`crate::rights::ChatKind::class`].
        class -> SmallInt,
        /// The lowest role that may send messages.
        send_role -> SmallInt,
        /// The lowest role that may delete messages of others.
        delete_role -> SmallInt,
        /// The lowest role that may react to messages.
        react_role -> SmallInt,
        /// The lowest role that may pin messages. In a direct chat both members may.
        pin_role -> SmallInt,
        /// The least time between two messages of a member, in seconds.
        slow_s -> Integer,
        /// How long new messages stay, in seconds. 0 is for ever.
        ttl_s -> Integer,
        /// Whether the chat was closed.
        is_closed -> Bool,
        /// The time of the last event; NULL if there is none.
        last_event_at -> Nullable<Timestamptz>,
        /// When it was created.
        created_at -> Timestamptz,
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
        /// The delivered marker, unless the read marker is higher.
        delivered_seq -> BigInt,
        /// See [`crate::rights::Role`].
        role -> SmallInt,
        /// Whether the chat is a group or channel.
        is_group -> Bool,
        /// Events up to this `seq` do not exist for the member.
        from_seq -> BigInt,
        /// The last `seq` of the chat when the member joined.
        joined_seq -> BigInt,
        /// When the member joined.
        joined_at -> Timestamptz,
        /// Until then the member may only read.
        restricted_until -> Nullable<Timestamptz>,
    }
}

table! {
    /// What groups and channels have and direct chats do not.
    chat_profiles (chat_id) {
        /// The id of the chat.
        chat_id -> Uuid,
        /// The title.
        title -> Text,
        /// The description.
        description -> Text,
        /// The name of a public chat.
        handle -> Nullable<Text>,
        /// Handle, title and description in lower case.
        search_key -> Text,
        /// The [`crate::rights::ChatSettings`], as JSON.
        settings -> Text,
        /// The user who created the chat.
        created_by -> Uuid,
        /// The idempotency key of the creation.
        request_id -> Uuid,
        /// The digest of the request that created the chat; NULL if an earlier version did.
        request_digest -> Nullable<Text>,
    }
}

table! {
    /// What members have set for themselves about chats. No row: everything is as by default.
    chat_prefs (user_id, chat_id) {
        /// The id of the member.
        user_id -> Uuid,
        /// The id of the chat.
        chat_id -> Uuid,
        /// Until then the chat is muted.
        muted_until -> Nullable<Timestamptz>,
        /// See [`crate::prefs::model::Level`].
        level -> SmallInt,
        /// Whether the chat is archived.
        archived -> Bool,
        /// The place among the pinned chats.
        pin_place -> Nullable<SmallInt>,
        /// The chat is marked as unread while this is the read marker.
        marked_seq -> Nullable<BigInt>,
        /// The folder.
        folder -> Nullable<Text>,
        /// The text of the draft.
        draft -> Nullable<Text>,
        /// The message that the draft answers.
        reply_to -> Nullable<Uuid>,
        /// When the draft was last changed.
        draft_at -> Nullable<Timestamptz>,
    }
}

table! {
    /// The durable events that are no messages.
    chat_events (chat_id, seq) {
        /// The id of the chat.
        chat_id -> Uuid,
        /// The number of the event in the sequence of its chat.
        seq -> BigInt,
        /// The number of the event among the rows of its chat.
        n -> BigInt,
        /// See [`crate::event_kind::EventKind`].
        kind -> SmallInt,
        /// The user who caused it.
        actor_id -> Uuid,
        /// The idempotency key of the actor.
        request_id -> Nullable<Uuid>,
        /// The number of the message that the event is about.
        target_seq -> Nullable<BigInt>,
        /// What is stored nowhere else.
        body -> Nullable<Jsonb>,
        /// When it happened.
        created_at -> Timestamptz,
    }
}

table! {
    /// The users who cannot join a chat.
    chat_bans (chat_id, user_id) {
        /// The id of the chat.
        chat_id -> Uuid,
        /// The banned user.
        user_id -> Uuid,
        /// The user who banned them.
        by_id -> Uuid,
        /// When.
        at -> Timestamptz,
        /// Why, in the words of that user.
        reason -> Nullable<Text>,
    }
}

table! {
    /// The codes by which users join a chat.
    chat_invites (code) {
        /// The code.
        code -> Text,
        /// The id of the chat.
        chat_id -> Uuid,
        /// The user who made it.
        by_id -> Uuid,
        /// Whether an admin has to accept each user.
        approve -> Bool,
        /// How many users joined with it.
        uses -> Integer,
        /// How many users may join with it.
        max_uses -> Nullable<Integer>,
        /// When it ceases to be valid.
        expires_at -> Nullable<Timestamptz>,
        /// When it was revoked.
        revoked_at -> Nullable<Timestamptz>,
        /// When it was made.
        created_at -> Timestamptz,
    }
}

table! {
    /// The users who asked to join a chat.
    join_requests (chat_id, user_id) {
        /// The id of the chat.
        chat_id -> Uuid,
        /// The user.
        user_id -> Uuid,
        /// The code of the invite that the user had.
        code -> Nullable<Text>,
        /// When the user asked.
        at -> Timestamptz,
    }
}

table! {
    /// Who did what in a chat.
    chat_audit (chat_id, id) {
        /// The id of the chat.
        chat_id -> Uuid,
        /// The number of the entry.
        id -> BigInt,
        /// When.
        at -> Timestamptz,
        /// Who.
        actor_id -> Uuid,
        /// What.
        action -> Text,
        /// What the action names.
        details -> Jsonb,
        /// The idempotency key of a join or leave of a large chat.
        request_id -> Nullable<Uuid>,
    }
}

table! {
    /// Who became or ceased to be a member of a group lately.
    member_changes (at, user_id) {
        /// When.
        at -> Timestamptz,
        /// The user.
        user_id -> Uuid,
        /// The member who added the user.
        by_id -> Nullable<Uuid>,
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
        /// See [`crate::messages::extra::Extra`]. NULL if it has nothing but its text.
        extra -> Nullable<Jsonb>,
        /// See [`crate::messages::extra::Reactions`]. NULL if there are none.
        reactions -> Nullable<Jsonb>,
        /// From then on it counts as deleted.
        expires_at -> Nullable<Timestamptz>,
    }
}

table! {
    /// The messages that are to be sent later.
    scheduled_messages (id) {
        /// UUID v7.
        id -> Uuid,
        /// The id of the chat.
        chat_id -> Uuid,
        /// The user who will have sent it.
        sender_id -> Uuid,
        /// The idempotency key of the request, and of the message.
        request_id -> Uuid,
        /// A digest of the request.
        digest -> BigInt,
        /// When it is to be sent.
        send_at -> Timestamptz,
        /// When an instance has to send it.
        due_at -> Timestamptz,
        /// Whether it may be stored already, or will be at any time.
        is_claimed -> Bool,
        /// See [`crate::scheduled::model::Body`].
        body -> Jsonb,
    }
}

table! {
    /// The messages that answer a message.
    replies (chat_id, to_seq, seq) {
        /// The id of the chat.
        chat_id -> Uuid,
        /// The number of the message that is answered.
        to_seq -> BigInt,
        /// The number of the answer.
        seq -> BigInt,
    }
}

table! {
    /// The pinned messages of chats.
    pins (chat_id, message_seq) {
        /// The id of the chat.
        chat_id -> Uuid,
        /// The number of the message.
        message_seq -> BigInt,
        /// The user who pinned it.
        by_id -> Uuid,
        /// When.
        at -> Timestamptz,
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
        /// Its entities: see [`crate::messages::extra::Extra`].
        extra -> Nullable<Jsonb>,
    }
}

table! {
    /// The logins of users.
    sessions (id) {
        /// UUID v7. The `sid` of its tokens.
        id -> Uuid,
        /// The user.
        user_id -> Uuid,
        /// The number of the valid refresh token.
        counter -> Integer,
        /// When the counter was last incremented.
        rotated_at -> Timestamptz,
        /// When the user logged in.
        created_at -> Timestamptz,
        /// When it was last used, to within an hour.
        last_used_at -> Timestamptz,
        /// When it ends if it is not refreshed.
        expires_at -> Timestamptz,
        /// When it was ended before its time.
        revoked_at -> Nullable<Timestamptz>,
        /// The id of the call that ended it.
        end_id -> Nullable<Uuid>,
        /// The name that the client gave.
        device_name -> Nullable<Text>,
        /// The `User-Agent` header of the login or the last refresh.
        user_agent -> Nullable<Text>,
        /// The network from which that came.
        ip_prefix -> Text,
    }
}

table! {
    /// The users whose tokens without a session are revoked.
    token_cutoffs (user_id) {
        /// The user.
        user_id -> Uuid,
        /// Tokens that were issued before are revoked.
        issued_before -> Timestamptz,
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
diesel::joinable!(chat_members -> users (user_id));
diesel::joinable!(chat_prefs -> chats (chat_id));
diesel::joinable!(chat_profiles -> chats (chat_id));
diesel::joinable!(chat_bans -> users (user_id));
diesel::joinable!(join_requests -> users (user_id));
allow_tables_to_appear_in_same_query!(
    users,
    chats,
    chat_members,
    chat_prefs,
    chat_profiles,
    chat_bans,
    join_requests,
    messages
);
allow_tables_to_appear_in_same_query!(users, sessions, revoked_tokens, token_cutoffs);
