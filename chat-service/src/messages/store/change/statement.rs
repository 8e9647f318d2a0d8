//! The statement that applies edits and deletions.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{Array, BigInt, Bool, Jsonb, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid},
};
use neonchat_common::{ids::Seq, json};
use uuid::Uuid;

use crate::messages::change::{ChangePolicy, NewChange};

/// One statement, so one transaction and one round trip. The changes are passed as arrays, one for each column; the messages of
/// all changes are a second group of arrays.
///
/// The statement reads what it changes before it holds the lock of the chat. So it also reads `event_count` before, and
/// compares it under the lock: if another event was committed in between, nothing is changed and the verdict is [`STALE`]. The
/// same holds for `access_version`: members leave a large chat without an event.
///
/// The rights are those of [`crate::rights`]. An edit needs the right to send, at the time of the edit. Members delete their own
/// messages, even if they may only read. They delete those of others with the role `delete_role`, if it is higher than the present
/// role of the author. An author who is no longer a member counts as one without an office.
///
/// `target` decides about each message. It looks the message up by its id alone: with a second condition Postgres may choose an
/// index that reads the whole chat. `changed` has the messages that change, and `placed` their changes: one that changes nothing
/// takes no `seq`. The answer has what an event shows, so that nobody reads it back.
///
/// Each part of the statement costs something even if it has nothing to do. So one of edits alone (`DELETES` is false) leaves out
/// what only deletions need.
pub(super) struct ApplyChanges<'a, const DELETES: bool> {
    chats: Vec<Uuid>,
    actors: Vec<Uuid>,
    request_ids: Vec<Option<Uuid>>,
    kinds: Vec<i16>,
    /// For each message, the number of its change, from 1.
    item_numbers: Vec<i64>,
    item_messages: Vec<Uuid>,
    /// The new text of an edit.
    item_texts: Vec<Option<&'a str>>,
    /// What replaces the entities and mentions of an edited message.
    item_extras: Vec<Option<String>>,
    /// The `seq` that the last change of the message must have, if the client gave one.
    item_expected: Vec<Option<Seq>>,
    /// For each mention of an edit, the number of its change.
    mention_numbers: Vec<i64>,
    mentioned: Vec<Uuid>,
    policy: ChangePolicy,
}

impl<'a, const DELETES: bool> ApplyChanges<'a, DELETES> {
    pub(super) fn new(changes: &[&'a NewChange], policy: ChangePolicy) -> Self {
        let mut this = Self {
            chats: Vec::with_capacity(changes.len()),
            actors: Vec::with_capacity(changes.len()),
            request_ids: Vec::with_capacity(changes.len()),
            kinds: Vec::with_capacity(changes.len()),
            item_numbers: Vec::new(),
            item_messages: Vec::new(),
            item_texts: Vec::new(),
            item_extras: Vec::new(),
            item_expected: Vec::new(),
            mention_numbers: Vec::new(),
            mentioned: Vec::new(),
            policy,
        };
        for (change, n) in changes.iter().zip(1..) {
            this.chats.push(change.chat.0);
            this.actors.push(change.actor.0);
            this.request_ids.push(change.request_id.map(|id| id.0));
            this.kinds.push(change.change.kind() as i16);
            let edit = change.change.edit();
            for message in change.change.messages() {
                this.item_numbers.push(n);
                this.item_messages.push(message.0);
                this.item_texts.push(edit.map(|edit| edit.text));
                this.item_extras.push(edit.map(|edit| json::text(&edit.extra())));
                this.item_expected.push(edit.and_then(|edit| edit.if_changed_seq));
            }
            for user in edit.iter().flat_map(|edit| &edit.mentions.users).filter(|user| **user != change.actor) {
                this.mention_numbers.push(n);
                this.mentioned.push(user.0);
            }
        }
        this
    }
}

/// What a changed message has beside its text afterwards. A deleted one has nothing. An edit replaces the entities and mentions, and
/// never begins to mention all members.
const MERGED_EXTRA: &str = "
                       CASE WHEN new_text IS NOT NULL
                            THEN nullif(
                                 coalesce(old_extra, '{}') - '{entities,mentions,mention_all}'::text[]
                                 || CASE WHEN old_extra->'mention_all' IS NULL THEN new_extra - 'mention_all' ELSE new_extra END,
                                 '{}')
                       END";

/// What is deleted with a message: its texts before edits, its reactions and pins, and what says that it answers another one or was passive.
const DELETIONS: &str = ", deleted_versions AS (
                DELETE FROM message_versions
                 WHERE ctid = ANY (ARRAY(
                       SELECT version.ctid
                         FROM changed, LATERAL (
                              SELECT ctid FROM message_versions AS version
                               WHERE version.chat_id = changed.chat_id AND version.seq = message_seq
                              OFFSET 0
                         ) AS version
                        WHERE new_text IS NULL))
            ), deleted_replies AS (
                DELETE FROM replies USING changed
                 WHERE new_text IS NULL AND replies.chat_id = changed.chat_id
                       AND to_seq = (old_extra->'reply_to'->>'seq')::bigint AND replies.seq = message_seq
            ), deleted_passive AS (
                DELETE FROM passive_messages AS passive USING changed
                 WHERE new_text IS NULL AND passive.chat_id = changed.chat_id AND user_id = sender_id
                       AND passive.seq = message_seq
            ), deleted_reactions AS (
                DELETE FROM reactions
                 WHERE ctid = ANY (ARRAY(
                       SELECT found.ctid
                         FROM changed, LATERAL (
                              SELECT ctid FROM reactions AS found
                               WHERE found.chat_id = changed.chat_id AND found.message_seq = changed.message_seq
                              OFFSET 0
                         ) AS found
                        WHERE new_text IS NULL))
            ), deleted_due AS (
                DELETE FROM reactions_due
                 WHERE ctid = ANY (ARRAY(
                       SELECT found.ctid
                         FROM changed, LATERAL (
                              SELECT ctid FROM reactions_due AS found
                               WHERE found.chat_id = changed.chat_id AND found.message_seq = changed.message_seq
                              OFFSET 0
                         ) AS found
                        WHERE new_text IS NULL))
            ), deleted_pins AS (
                DELETE FROM pins
                 WHERE ctid = ANY (ARRAY(
                       SELECT found.ctid
                         FROM changed, LATERAL (
                              SELECT ctid FROM pins AS found
                               WHERE found.chat_id = changed.chat_id AND found.message_seq = changed.message_seq
                              OFFSET 0
                         ) AS found
                        WHERE new_text IS NULL))
            )";

impl<const DELETES: bool> ApplyChanges<'_, DELETES> {
    /// The parts that keep the mentions in step with the messages. Whom an edited message answers stays mentioned.
    fn push_mentions<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "mentioned AS MATERIALIZED (SELECT chat_id, message_seq, user_id, created_at FROM changed JOIN unnest(",
        );
        out.push_bind_param::<Array<BigInt>, _>(&self.mention_numbers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.mentioned)?;
        out.push_sql(
            ") AS mention (n, user_id) USING (n)
            ), deleted_mentions AS (
                DELETE FROM mentions
                 WHERE ctid = ANY (ARRAY(
                       SELECT mention.ctid
                         FROM changed, LATERAL (
                              SELECT ctid, user_id FROM mentions AS mention
                               WHERE mention.chat_id = changed.chat_id AND mention.seq = message_seq
                              OFFSET 0
                         ) AS mention
                        WHERE new_text IS NULL
                              OR CASE mention.user_id
                                 WHEN '00000000-0000-0000-0000-000000000000' THEN extra->'mention_all' IS NULL
                                 ELSE mention.user_id IS DISTINCT FROM (extra->'reply_to'->>'sender_id')::uuid
                                      AND mention.user_id NOT IN (
                                          SELECT user_id FROM mentioned
                                           WHERE mentioned.chat_id = changed.chat_id
                                                 AND mentioned.message_seq = changed.message_seq)
                                 END))
            ), new_mentions AS (
                INSERT INTO mentions (user_id, chat_id, seq, at)
                SELECT user_id, chat_id, message_seq, created_at FROM mentioned
                ON CONFLICT DO NOTHING
            )",
        );
        Ok(())
    }
}

pub(super) const DONE: i16 = 0;
pub(super) const DUPLICATE: i16 = 1;
pub(super) const MISMATCH: i16 = 2;
pub(super) const UNCHANGED: i16 = 3;
pub(super) const GONE: i16 = 4;
pub(super) const NOT_AUTHOR: i16 = 5;
pub(super) const TOO_LATE: i16 = 6;
pub(super) const CHANGED_SINCE: i16 = 7;
pub(super) const STALE: i16 = 8;
pub(super) const ROLE: i16 = 9;
pub(super) const RESTRICTED: i16 = 10;

impl<const DELETES: bool> QueryFragment<Pg> for ApplyChanges<'_, DELETES> {
    #[expect(clippy::too_many_lines, reason = "it is one statement")]
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH change AS MATERIALIZED (SELECT * FROM unnest(");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.chats)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.actors)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<SqlUuid>>, _>(&self.request_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SmallInt>, _>(&self.kinds)?;
        out.push_sql(
            ") WITH ORDINALITY AS change (chat_id, actor_id, request_id, kind, n)
            ), item AS MATERIALIZED (SELECT * FROM unnest(",
        );
        out.push_bind_param::<Array<BigInt>, _>(&self.item_numbers)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SqlUuid>, _>(&self.item_messages)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.item_texts)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.item_extras)?;
        out.push_sql("::jsonb[], ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&self.item_expected)?;
        out.push_sql(
            ") AS item (n, message_id, new_text, new_extra, expected_seq)
            ), allowed AS MATERIALIZED (
                SELECT change.*, access.*
                  FROM change, LATERAL (
                       SELECT chats.kind AS chat_kind, event_count AS version, access_version AS allowed_version, from_seq,
                              CASE WHEN role >= delete_role THEN role END AS deletes_below,
                              CASE WHEN restricted_until > now() THEN 10 WHEN role < send_role THEN 9 END AS send_refusal
                         FROM chat_members AS member, chats
                        WHERE member.chat_id = change.chat_id AND user_id = actor_id
                              AND chats.id = change.chat_id AND NOT is_closed
                       OFFSET 0
                  ) AS access
            ), chat AS MATERIALIZED (
                SELECT id, last_seq, last_event_at, event_count, access_version FROM chats
                 WHERE id = ANY (ARRAY(SELECT chat_id FROM allowed))
                 ORDER BY id
                   FOR NO KEY UPDATE
            ), moment AS MATERIALIZED (
                SELECT clock_timestamp() AS now FROM (SELECT count(*) FROM chat) AS locked
            ), seen AS MATERIALIZED (
                SELECT change.n, event.seq,
                       event.chat_id = change.chat_id AND event.kind = change.kind AND CASE change.kind
                       WHEN 1 THEN EXISTS (
                           SELECT FROM item JOIN messages AS message ON message.id = item.message_id
                            WHERE item.n = change.n AND message.chat_id = event.chat_id AND message.seq = event.target_seq
                                  AND (message.changed_seq <> event.seq OR message.deleted_at IS NOT NULL
                                       OR message.expires_at <= now() OR message.text = item.new_text
                                          AND extra->'entities' IS NOT DISTINCT FROM new_extra->'entities'))
                       ELSE NOT EXISTS (
                           SELECT FROM jsonb_array_elements(event.body) AS gone
                            WHERE (gone->>'id')::uuid <> ALL (ARRAY(SELECT message_id FROM item WHERE item.n = change.n)))
                       END AS is_same
                  FROM change, LATERAL (
                       SELECT * FROM chat_events AS event
                        WHERE event.actor_id = change.actor_id AND event.request_id = change.request_id OFFSET 0
                  ) AS event
            ), target AS MATERIALIZED (
                SELECT allowed.*, new_text, new_extra, message.*,
                       CASE WHEN deleted_at IS NOT NULL OR expires_at <= now THEN 4
                            WHEN sender_id <> actor_id AND (new_text IS NOT NULL OR chat_kind = 'direct') THEN 5
                            WHEN new_text IS NULL THEN
                                CASE WHEN sender_id = actor_id THEN 0
                                     WHEN deletes_below > coalesce((
                                         SELECT role FROM chat_members AS author
                                          WHERE author.chat_id = allowed.chat_id AND user_id = sender_id), 1) THEN 0
                                     ELSE 9
                                END
                            WHEN send_refusal IS NOT NULL THEN send_refusal
                            WHEN created_at + ",
        );
        out.push_bind_param::<BigInt, _>(&self.policy.edit_window_us)?;
        out.push_sql(" * interval '1 us' < now AND ");
        out.push_bind_param::<BigInt, _>(&self.policy.edit_window_us)?;
        out.push_sql(
            " > 0 THEN 6
                            WHEN expected_seq <> coalesce(changed_seq, message_seq) THEN 7
                            WHEN new_text = old_text
                                 AND new_extra->'entities' IS NOT DISTINCT FROM old_extra->'entities' THEN 3
                            ELSE 0
                       END::smallint AS verdict
                  FROM moment, allowed JOIN item USING (n), LATERAL (
                       SELECT id AS message_id, seq AS message_seq, messages.chat_id AS found_in, sender_id,
                              messages.request_id AS message_request_id, text AS old_text, created_at,
                              updated_at AS written_at, changed_seq, deleted_at, expires_at, reactions, extra AS old_extra
                         FROM messages
                        WHERE messages.id = item.message_id
                       OFFSET 0
                  ) AS message
                 WHERE found_in = allowed.chat_id AND message_seq > from_seq AND allowed.n NOT IN (SELECT n FROM seen)
            ), changed AS MATERIALIZED (
                SELECT fresh.*, ",
        );
        out.push_sql(MERGED_EXTRA);
        out.push_sql(
            " AS extra, last_seq + place AS seq, event_count + place AS event_n,
                       greatest(now, last_event_at + interval '1 us') + (place - 1) * interval '1 us' AS at
                  FROM moment, chat, (
                       SELECT *, dense_rank() OVER (PARTITION BY chat_id ORDER BY n) AS place
                         FROM (SELECT *, bool_and(verdict IN (0, 3, 4)) OVER (PARTITION BY n) AS is_allowed
                                 FROM target) AS judged
                        WHERE is_allowed AND verdict = 0
                  ) AS fresh
                 WHERE chat.id = chat_id AND event_count = version AND access_version = allowed_version
            -- An edit (kind 1) has one message; there is no min(uuid).
            ), placed AS MATERIALIZED (
                SELECT n, chat_id, chat_kind, actor_id, request_id, kind, seq, event_n, at,
                       max(message_seq) FILTER (WHERE kind = 1) AS target_seq, min(created_at) AS created_at,
                       min(message_request_id::text)::uuid AS message_request_id,
                       jsonb_agg(jsonb_build_object('id', message_id, 'seq', message_seq) ORDER BY message_seq)
                       FILTER (WHERE kind = 2) AS body,
                       max(max(message_seq) FILTER (WHERE kind = 2)) OVER chat AS gone_up_to,
                       seq = max(seq) OVER chat AS is_last, min(expires_at) AS expires_at,
                       (array_agg(extra) FILTER (WHERE kind = 1))[1] AS extra,
                       (array_agg(reactions) FILTER (WHERE kind = 1))[1] AS reactions
                  FROM changed
                 GROUP BY n, chat_id, chat_kind, actor_id, request_id, kind, seq, event_n, at
                WINDOW chat AS (PARTITION BY chat_id)
            ), changed_messages AS (
                UPDATE messages
                   SET text = coalesce(new_text, ''), changed_seq = changed.seq, updated_at = at,
                       deleted_at = CASE WHEN new_text IS NULL THEN at END, extra = changed.extra,
                       reactions = CASE WHEN new_text IS NULL THEN NULL ELSE changed.reactions END,
                       expires_at = CASE WHEN new_text IS NULL THEN NULL ELSE changed.expires_at END
                  FROM changed
                 WHERE messages.id = changed.message_id
            ), kept_versions AS (
                INSERT INTO message_versions (chat_id, seq, until_seq, text, extra, at)
                SELECT chat_id, message_seq, seq, old_text,
                       CASE WHEN old_extra->'entities' IS NOT NULL
                            THEN jsonb_build_object('entities', old_extra->'entities') END, written_at
                  FROM changed WHERE new_text IS NOT NULL AND ",
        );
        out.push_bind_param::<Bool, _>(&self.policy.keeps_versions)?;
        out.push_sql("), ");
        self.push_mentions(&mut out)?;
        if DELETES {
            out.push_sql(DELETIONS);
        }
        out.push_sql(
            ", stored AS (
                INSERT INTO chat_events (chat_id, seq, n, kind, actor_id, request_id, target_seq, body, created_at)
                SELECT chat_id, seq, event_n, kind, actor_id, request_id, target_seq, body, at FROM placed
            ), moved_on AS (
                UPDATE chats
                   SET last_seq = seq, last_event_at = at, event_count = event_n, event_seq = seq,
                       gone_seq = greatest(gone_seq, gone_up_to)
                  FROM placed
                 WHERE chats.id = placed.chat_id AND is_last
            )
            SELECT n, 0::smallint, seq, at, chat_kind, target_seq, message_request_id, created_at, body::text,
                   expires_at, extra, reactions
              FROM placed
            UNION ALL
            SELECT n, CASE WHEN is_same THEN 1 ELSE 2 END::smallint, seq,
                   NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
              FROM seen
            UNION ALL
            SELECT allowed.n,
                   CASE WHEN event_count <> version OR access_version <> allowed_version THEN 8
                        ELSE coalesce((SELECT max(verdict) FROM target WHERE target.n = allowed.n), 4)
                   END::smallint, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
              FROM allowed JOIN chat ON chat.id = chat_id
             WHERE allowed.n NOT IN (SELECT n FROM seen) AND allowed.n NOT IN (SELECT n FROM placed)",
        );
        Ok(())
    }
}

impl<const DELETES: bool> QueryId for ApplyChanges<'_, DELETES> {
    type QueryId = ApplyChanges<'static, DELETES>;
}

impl<const DELETES: bool> Query for ApplyChanges<'_, DELETES> {
    type SqlType = (
        BigInt,
        SmallInt,
        Nullable<BigInt>,
        (
            Nullable<Timestamptz>,
            Nullable<Text>,
            Nullable<BigInt>,
            Nullable<SqlUuid>,
            Nullable<Timestamptz>,
            Nullable<Text>,
        ),
        (Nullable<Timestamptz>, Nullable<Jsonb>, Nullable<Jsonb>),
    );
}
