//! The requirements on the database. A database that does not meet them accepts connections but fails requests, so readiness
//! reports what is wrong.

use diesel::{
    QueryableByName,
    sql_types::{Array, Bool, Integer, Text},
};
use diesel_async::RunQueryDsl as _;
use thiserror::Error;

use super::{Connector, connect::Session, prepared};

/// The oldest tested version, as `server_version_num`.
const MIN_VERSION: i32 = 15_00_00;

#[derive(QueryableByName)]
struct Facts {
    #[diesel(sql_type = Integer)]
    version: i32,
    #[diesel(sql_type = Text)]
    encoding: String,
    #[diesel(sql_type = Bool)]
    is_standby: bool,
    #[diesel(sql_type = Bool)]
    is_read_only: bool,
    #[diesel(sql_type = Text)]
    session: String,
    #[diesel(sql_type = Array<Text>)]
    switched_off: Vec<String>,
    #[diesel(sql_type = Array<Text>)]
    missing_privileges: Vec<String>,
}

/// Ignores the privileges of tables that do not exist yet.
const FACTS: &str = "
    SELECT current_setting('server_version_num')::integer AS version,
           current_setting('server_encoding') AS encoding,
           pg_is_in_recovery() AS is_standby,
           current_setting('transaction_read_only') = 'on' AS is_read_only,
           coalesce(current_setting('neonchat.session', true), '') AS session,
           ARRAY(SELECT name FROM unnest(ARRAY['fsync', 'synchronous_commit', 'full_page_writes']) AS name
                  WHERE current_setting(name) = 'off') AS switched_off,
           ARRAY(SELECT privilege || ' on ' || name
                   FROM (VALUES ('users', ARRAY['SELECT', 'INSERT', 'UPDATE']),
                                ('chats', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
                                ('chat_members', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
                                ('messages', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
                                ('chat_former_members', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
                                ('message_cleanups', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
                                ('chat_prefs', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
                                ('chat_profiles', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
                                ('chat_bans', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
                                ('chat_invites', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
                                ('join_requests', ARRAY['SELECT', 'INSERT', 'DELETE']),
                                ('chat_audit', ARRAY['SELECT', 'INSERT', 'DELETE']),
                                ('member_changes', ARRAY['SELECT', 'INSERT', 'DELETE']),
                                ('chat_events', ARRAY['SELECT', 'INSERT', 'DELETE']),
                                ('message_versions', ARRAY['SELECT', 'INSERT', 'DELETE']),
                                ('scheduled_messages', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
                                ('expiring_messages', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
                                ('revoked_tokens', ARRAY['SELECT', 'INSERT', 'DELETE']),
                                ('sessions', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
                                ('token_cutoffs', ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
                                ('deployment', ARRAY['SELECT', 'INSERT', 'UPDATE'])) AS used (name, privileges),
                        unnest(privileges) AS privilege
                  WHERE NOT has_table_privilege(to_regclass(name), privilege)) AS missing_privileges";

/// Why the database does not meet the requirements, as a text for an operator.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct UnmetRequirements(String);

/// Checks the database of a session.
///
/// # Errors
/// [`UnmetRequirements`], or Postgres did not answer.
pub(crate) async fn check(session: &mut Session) -> anyhow::Result<()> {
    let facts: Facts = prepared(FACTS).get_result(&mut session.connection).await?;
    let problems = facts.problems(&session.marker);
    if problems.is_empty() { Ok(()) } else { Err(UnmetRequirements(problems.join("; ")).into()) }
}

/// Does the same as [`check`] for a new session. It opens another session first: a pooler that shares sessions then
/// gives both the same one, or moves the first one to another.
pub(crate) async fn check_new_session(connector: &Connector, session: &mut Session) -> anyhow::Result<()> {
    let _other = connector.connect_without_timeouts().await?;
    check(session).await
}

impl Facts {
    fn problems(&self, marker: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |is_wrong: bool, problem: &dyn Fn() -> String| {
            if is_wrong {
                problems.push(problem());
            }
        };
        check(self.version < MIN_VERSION, &|| {
            format!("Postgres has version {}; 15 or later is required", self.version / 10_000)
        });
        check(self.encoding != "UTF8", &|| {
            format!("the encoding of the database is {}; UTF8 is required", self.encoding)
        });
        check(self.session != marker, &|| {
            "a pooler shares sessions between connections; PgBouncer needs pool_mode = session".to_owned()
        });
        check(self.is_standby, &|| "Postgres is a standby and accepts no writes".to_owned());
        check(self.is_read_only && !self.is_standby, &|| {
            "Postgres is read-only (default_transaction_read_only = on)".to_owned()
        });
        check(!self.switched_off.is_empty(), &|| {
            let off = self.switched_off.join(" = off, ");
            format!("Postgres has {off} = off, so a crash may lose acknowledged messages; set it to on")
        });
        check(!self.missing_privileges.is_empty(), &|| {
            format!("the database user lacks {}", self.missing_privileges.join(", "))
        });
        problems
    }
}
