//! The cost of one hostile client for the processes and for other clients.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use neonchat_testbed::{
    client::{Refused, Socket, User},
    harness::{self, until},
    system::System,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_postgres::NoTls;

use crate::helpers::{Running, metric};

/// The largest message, in bytes.
const MAX_MESSAGE: usize = 64 * 1024;

/// Opens a socket as a raw TCP stream. Nothing reads from it after the handshake.
async fn raw_socket(system: &System, user: &User) -> TcpStream {
    let mut stream = TcpStream::connect(system.websocket_addresses()[0]).await.expect("connect");
    let upgrade = format!(
        "GET /ws?token={} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        user.token
    );
    stream.write_all(upgrade.as_bytes()).await.expect("send");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("receive answer"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// Returns a client frame with a payload of `payload` bytes.
fn frame(first: u8, payload: usize) -> Vec<u8> {
    let length = (payload as u64).to_be_bytes();
    [&[first, 0xff], length.as_slice(), &[0; 4], &vec![b'x'; payload]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_messages_cost_little_memory() {
    const SOCKETS: u32 = 256;
    let running = Running::start(&[("WS_MAX_CONNECTIONS_PER_USER", "0"), ("WS_MESSAGES_PER_SECOND", "0")]).await;
    let system = &running.system;
    let user = system.api().any_user().await.expect("register user");
    // Four at a time: further handshakes of one user wait for these.
    let sockets = stream::iter(0..SOCKETS).map(|_| raw_socket(system, &user)).buffered(4);
    let mut sockets: Vec<_> = sockets.collect().await;
    let idle = metric(system, "process_resident_memory_bytes").await;

    // Half of a message, one byte in a separate frame, and the rest except its last byte.
    let rest = MAX_MESSAGE / 2 - 1;
    let unfinished = [frame(0x01, MAX_MESSAGE / 2), frame(0x00, 1), frame(0x80, rest)].concat();
    let unfinished = &unfinished[..unfinished.len() - 1];
    for socket in &mut sockets {
        socket.write_all(unfinished).await.expect("send");
    }
    // After the last byte the server answers, so it has read the whole message.
    let mut one = sockets.pop().expect("open socket");
    one.write_all(b"x").await.expect("send");
    assert_eq!(one.read_u8().await.expect("receive answer"), 0x81);
    let read = || async { metric(system, "process_resident_memory_bytes").await };
    let mut grown = read().await;
    until("memory no longer grows", async || {
        let before = std::mem::replace(&mut grown, read().await);
        (grown - before).abs() < 64.0 * 1024.0
    })
    .await;
    let each = (grown - idle) / f64::from(SOCKETS) / 1024.0;
    println!("{each:.0} KiB a socket");
    assert!(each < 130.0, "{each:.0} KiB a socket");

    // The server does not buffer more than the maximum message.
    let mut greedy = raw_socket(system, &user).await;
    let beyond = [frame(0x01, MAX_MESSAGE - 1), frame(0x80, 2)].concat();
    greedy.write_all(&beyond[..beyond.len() - 2]).await.expect("send");
    let mut received = Vec::new();
    greedy.read_to_end(&mut received).await.expect("wait for end");
    assert_eq!(received[2..4], 1009u16.to_be_bytes(), "{received:x?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_message_times_out_despite_other_frames() {
    let settings = [("WS_READ_TIMEOUT", "2s"), ("WS_HEARTBEAT_INTERVAL", "500ms")];
    let running = Running::start(&settings).await;
    let user = running.system.api().any_user().await.expect("register user");
    let mut socket = raw_socket(&running.system, &user).await;
    socket.write_all(&frame(0x01, 10)).await.expect("send");
    let (mut reader, mut writer) = socket.into_split();
    let pings = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        while writer.write_all(&[0x89, 0x80, 0, 0, 0, 0]).await.is_ok() {
            tick.tick().await;
        }
    });
    let mut received = Vec::new();
    let _ = reader.read_to_end(&mut received).await;
    let code = 4102u16.to_be_bytes();
    assert!(received.windows(2).any(|bytes| bytes == code), "{received:x?}");
    pings.await.expect("join task");
}

#[tokio::test(flavor = "multi_thread")]
async fn redundant_receipts_are_not_sent_to_chat_service() {
    let running = Running::start(&[]).await;
    let api = running.system.api();
    let (alice, bob) = (api.any_user().await.expect("register user"), api.any_user().await.expect("register user"));
    let chat = api.chat(&alice, &bob).await.expect("create chat");
    let websocket = running.system.websocket();
    let mut alices = Socket::open(&websocket, &alice, None).await.expect("open socket");
    let mut bobs = Socket::open(&websocket, &bob, None).await.expect("open socket");
    alices.send_message(&chat, "x").await.expect("receive ack");
    bobs.expect_beside_presence("new_message").await.expect("receive message");
    // The first valid receipt, and the first one beyond the head, are sent. Their repetitions are redundant.
    for read in [1, 1000] {
        for _ in 0..50 {
            bobs.send(&json!({ "type": "receipt", "chat_id": chat, "read": read })).await.expect("send");
        }
    }
    bobs.expect_quiet().await.expect("receive pong");
    let receipt = alices.expect_beside_presence("receipt").await.expect("receive receipt");
    assert_eq!(receipt["read"], 1);
    let calls = "grpc_client_request_duration_seconds_count{service=\"chat.v1.ChatService\",method=\"MarkReadMany\"";
    let calls = metric(&running.system, calls).await;
    assert!(calls <= 2.0, "{calls} calls");
    // A receipt for a new event is sent.
    alices.send_message(&chat, "y").await.expect("receive ack");
    bobs.expect_beside_presence("new_message").await.expect("receive message");
    bobs.send(&json!({ "type": "receipt", "chat_id": chat, "read": 2 })).await.expect("send");
    assert_eq!(alices.expect_beside_presence("receipt").await.expect("receive receipt")["read"], 2);
}

/// Inserts `count` chats of a user, each with another partner.
async fn give_chats(database: &str, user: &User, count: u32) {
    let (client, connection) = tokio_postgres::connect(database, NoTls).await.expect("connect");
    let connection = tokio::spawn(connection);
    let sql = format!(
        "CREATE TEMP TABLE made AS
             SELECT gen_random_uuid() AS chat, gen_random_uuid() AS partner, n FROM generate_series(1, {count}) AS n;
         INSERT INTO users (id, username, username_key, password_hash)
             SELECT partner, 'partner-' || n, 'partner-' || n, '' FROM made;
         INSERT INTO chats (id, user1_id, user2_id) SELECT chat, '{user}', partner FROM made;
         INSERT INTO chat_members (chat_id, user_id) SELECT chat, '{user}' FROM made
             UNION ALL SELECT chat, partner FROM made;
         ANALYZE chat_members",
        user = user.id
    );
    client.batch_execute(&sql).await.expect("create chats");
    drop(client);
    connection.await.expect("join task").expect("close connection");
}

/// Returns how long it takes from a user's connection attempt until a partner sees the user online. This is the lower quartile of 15
/// measurements: other work on the machine delays some of them, blocking by another user delays all.
async fn time_to_be_seen(system: &System, user: &User, partner: &mut Socket) -> Duration {
    let mut times = Vec::new();
    for _ in 0..15 {
        let begun = Instant::now();
        let socket = Socket::open(&system.websocket(), user, None).await.expect("open socket");
        assert_eq!(partner.expect("presence").await.expect("receive presence")["event"], "user_online");
        times.push(begun.elapsed());
        socket.close().await.expect("close socket");
        assert_eq!(partner.expect("presence").await.expect("receive presence")["event"], "user_offline");
    }
    times.sort();
    times[times.len() / 4]
}

#[tokio::test(flavor = "multi_thread")]
async fn user_with_thousands_of_chats_does_not_block_others() {
    let database = harness::test_database().await;
    let running = Running::start_on(&database, &[]).await;
    let (system, api) = (&running.system, running.system.api());
    let (alice, bob) = (api.any_user().await.expect("register user"), api.any_user().await.expect("register user"));
    api.chat(&alice, &bob).await.expect("create chat");
    let mallory = api.any_user().await.expect("register user");
    give_chats(&database, &mallory, 5000).await;
    let mut bobs = Socket::open(&system.websocket(), &bob, None).await.expect("open socket");
    let alone = time_to_be_seen(system, &alice, &mut bobs).await;

    // Mallory has as many chats as a user may create. Her maximum number of sockets reconnects all the time and changes her status.
    let attack = (0..64).map(|_| {
        let (websocket, mallory) = (system.websocket(), mallory.clone());
        tokio::spawn(async move {
            let mut refused = tokio::time::interval(Duration::from_millis(250));
            loop {
                match Socket::request(&format!("{websocket}/ws?token={}", mallory.token), &[]).await {
                    Ok(Ok(mut socket)) => {
                        for status in ["away", "online"] {
                            let _ = socket.send(&json!({ "type": "presence", "status": status })).await;
                        }
                    }
                    Ok(Err(Refused(_))) | Err(_) => drop(refused.tick().await),
                }
            }
        })
    });
    let attack: Vec<_> = attack.collect();
    until("the attack is under way", async || metric(system, "websocket_connections_current").await > 2.0).await;
    let beside = time_to_be_seen(system, &alice, &mut bobs).await;
    for attacker in &attack {
        attacker.abort();
    }
    println!("alone {alone:?}, beside {beside:?}");
    // Both share the processors with the attackers: on two busy cores it takes 5 to 8 times as long. Without a limit for each user
    // it takes seconds, or the connection is refused.
    assert!(beside < 40 * alone.max(Duration::from_millis(10)), "alone {alone:?}, beside {beside:?}");
}
