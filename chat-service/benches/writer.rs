//! Storing messages: a number of them in one call, each in its own chat, on a real Postgres. `make microbench` runs it.

#![expect(clippy::expect_used, reason = "a benchmark may fail")]

use chat_service::{
    config::Settings,
    db::{Connector, Db, migrate},
    messages::{
        model::{NewMessage, Sent},
        service::Messages,
    },
    notifier::Notifier,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use neonchat_common::{
    deployment::OwnDeployment,
    grpc::client::Peer,
    ids::{ChatId, SendId, UserId},
    lifecycle::Tasks,
    redis::{self, namespace::Namespace},
    trace::TraceContext,
};
use neonchat_testbed::harness;
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

/// The largest call, and so the number of chats.
const CHATS: usize = 500;

const TEXT: &str = "Привет! Завтра в семь, у входа. Bring the tickets, please.";

fn writer(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let (messages, chats) = runtime.block_on(prepare());
    let mut group = criterion.benchmark_group("store");
    for size in [1, 10, 100, CHATS] {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.to_async(&runtime).iter(async || store(&messages, &chats[..size]).await);
        });
    }
}

async fn store(messages: &Messages, chats: &[(ChatId, UserId)]) {
    let message = |(chat, sender): &(ChatId, UserId)| NewMessage {
        chat: *chat,
        sender: *sender,
        text: TEXT.to_owned().try_into().expect("a text"),
        request: SendId::new(),
        trace: TraceContext::default(),
    };
    let outcomes = messages.store(chats.iter().map(message).collect()).await.expect("outcomes");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Sent::Stored(_)))));
}

/// A service of its own, and chats with one of the members of each.
async fn prepare() -> (Messages, Vec<(ChatId, UserId)>) {
    let database = harness::test_database().await;
    let settings = [("DATABASE_URL", database.as_str()), ("REDIS_URL", &harness::redis_url())];
    let settings = Settings::from_values(settings).expect("settings");
    let connector = Connector::new(&settings.database.connection).expect("a connector");
    migrate(&connector).await.expect("tables");
    let db = Db::new(connector, &settings.database).expect("a pool");
    let peer = Peer::new(&settings.notification_addresses, &settings.common.grpc).expect("a peer");
    let redis = redis::client(&settings.common.redis_url).expect("a client");

    let (sql, connection) = tokio_postgres::connect(&database, NoTls).await.expect("Postgres");
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
    let chats = sql.query(&chats, &[]).await.expect("chats");
    let chats = chats.iter().map(|row| (ChatId(row.get(0)), UserId(row.get(1)))).collect();
    (Messages::new(db, Notifier::new(peer, redis, Namespace::default(), OwnDeployment::default()), Tasks::new()), chats)
}

criterion_group!(benches, writer);
criterion_main!(benches);
