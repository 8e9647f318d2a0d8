//! Stores messages in a real Postgres: several in one call, each in its own chat. `make microbench` runs it.

#![expect(clippy::expect_used, reason = "a benchmark may fail")]
#![expect(clippy::disallowed_methods, reason = "a task of a benchmark ends with its runtime")]

use chat_service::{config::Settings, db::Connector, migrate::migrate, test_support::MessageStore};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use neonchat_common::ids::{ChatId, UserId};
use neonchat_testbed::harness;
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

/// The size of the largest call, which is also the number of chats.
const CHATS: usize = 500;

const TEXT: &str = "Привет! Завтра в семь, у входа. Bring the tickets, please.";

fn writer(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("create runtime");
    let (store, chats) = runtime.block_on(prepare());
    let mut group = criterion.benchmark_group("store");
    for size in [1, 10, 100, CHATS] {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher
                .to_async(&runtime)
                .iter(async || assert!(store.store(&chats[..size], TEXT).await, "not all messages were stored"));
        });
    }
}

/// Returns a message store on its own database, and chats with one of the members of each.
async fn prepare() -> (MessageStore, Vec<(ChatId, UserId)>) {
    let database = harness::test_database().await;
    let settings = [("DATABASE_URL", database.as_str()), ("REDIS_URL", &harness::redis_url())];
    let settings = Settings::from_values(settings).expect("read settings");
    let connector = Connector::new(&settings.database.connection).expect("create connector");
    migrate(&connector).await.expect("run migrations");
    let store = MessageStore::start(connector, &settings).expect("start the message store");

    let (sql, connection) = tokio_postgres::connect(&database, NoTls).await.expect("connect to Postgres");
    tokio::spawn(connection);
    let chats = format!(
        "WITH pair AS (SELECT n, gen_random_uuid() AS chat, gen_random_uuid() AS a, gen_random_uuid() AS b \
                         FROM generate_series(1, {CHATS}) AS n), \
              people AS (INSERT INTO users (id, username, username_key, password_hash) \
                         SELECT id, id::text, id::text, '' FROM pair, LATERAL (VALUES (a), (b)) AS person (id)), \
              chat AS (INSERT INTO chats (id, user1_id, user2_id) SELECT chat, a, b FROM pair), \
              member AS (INSERT INTO chat_members (chat_id, user_id) \
                         SELECT chat, id FROM pair, LATERAL (VALUES (a), (b)) AS person (id)) \
         SELECT chat, a FROM pair"
    );
    let chats = sql.query(&chats, &[]).await.expect("create chats");
    let chats = chats.iter().map(|row| (ChatId(row.get(0)), UserId(row.get(1)))).collect();
    (store, chats)
}

criterion_group!(benches, writer);
criterion_main!(benches);
