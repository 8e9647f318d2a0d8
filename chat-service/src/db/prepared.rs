//! Queries in SQL that a connection prepares once.

use diesel::{
    QueryResult, RunQueryDsl,
    pg::Pg,
    query_builder::{AstPass, BoxedSqlQuery, Query, QueryFragment, QueryId, SqlQuery},
    serialize::ToSql,
    sql_types::{HasSqlType, Untyped},
};

/// Returns a query with this text, which must not depend on the values: each connection keeps every text prepared.
///
/// Diesel prepares a [`sql_query`](diesel::sql_query) again for each execution, because its text may be another one each time. That takes a
/// round trip, and Postgres parses and plans the text again.
#[expect(clippy::disallowed_methods, reason = "the one place that has them prepared once")]
pub(crate) fn prepared<'f>(sql: &str) -> Prepared<'f> {
    Prepared(diesel::sql_query(sql).into_boxed())
}

/// See [`prepared`].
#[must_use = "a query does nothing until it is executed"]
pub(crate) struct Prepared<'f>(BoxedSqlQuery<'f, Pg, SqlQuery>);

impl<'f> Prepared<'f> {
    /// Adds the value of the next parameter.
    pub(crate) fn bind<ST, V>(self, value: V) -> Self
    where
        Pg: HasSqlType<ST>,
        ST: Send + 'f,
        V: ToSql<ST, Pg> + Send + 'f,
    {
        Self(self.0.bind(value))
    }
}

impl QueryFragment<Pg> for Prepared<'_> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

impl QueryId for Prepared<'_> {
    type QueryId = ();

    /// The text identifies the prepared statement.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Prepared<'_> {
    type SqlType = Untyped;
}

impl<C> RunQueryDsl<C> for Prepared<'_> {}
