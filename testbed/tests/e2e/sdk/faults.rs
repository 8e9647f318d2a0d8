//! The services end in the middle, the process ends in the middle, and nothing is lost or there twice.

use std::fs;

use neonchat_client::{ChatEvent, ChatId, Client, Event, Events, FileStore, Sending, Status};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Person, builder, find, go_live, history, next_messages, numbered, open_chat, pair, reaches, start};

/// Sends numbered messages. Returns when they are in the outbox.
async fn send_numbered(client: &Client, chat: ChatId, count: u64) -> Vec<Sending> {
    let mut sendings = Vec::new();
    for n in 1..=count {
        sendings.push(client.send(chat, n.to_string()).await.expect("send"));
    }
    sendings
}

async fn acknowledged(sendings: impl IntoIterator<Item = Sending>) {
    for sending in sendings {
        sending.await.expect("acknowledge message");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_each_message_once_in_order_while_chat_service_is_killed() {
    let mut running = start().await;
    let (alice, bob, chat) = pair(&running).await;
    let mut heard = bob.client.events();
    let mut sendings = send_numbered(&alice.client, chat, 120).await;
    let rest = sendings.split_off(30);
    acknowledged(sendings).await;
    running.system.kill_chat_service().await.expect("kill chat-service");
    assert!(!alice.client.outbox().is_empty(), "the kill was in the middle");
    running.system.kill_and_restart_chat_service().await.expect("restart chat-service");
    acknowledged(rest).await;
    assert_eq!(history(&alice.client, chat).await, numbered(120));
    assert_eq!(next_messages(&mut heard, chat, 120).await, numbered(120));
    assert!(alice.client.outbox().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_each_message_once_in_order_while_notification_service_restarts() {
    let mut running = start().await;
    let (alice, bob, chat) = pair(&running).await;
    let mut heard = bob.client.events();
    let mut states = alice.client.events();
    let mut sendings = send_numbered(&alice.client, chat, 120).await;
    let rest = sendings.split_off(30);
    acknowledged(sendings).await;
    running.system.restart_notification_service().await.expect("restart notification-service");
    acknowledged(rest).await;
    let waiting = |event| if let Event::State(Status::Waiting { .. }) = event { Some(()) } else { None };
    find(&mut states, "the end of the connection", waiting).await;
    assert_eq!(history(&alice.client, chat).await, numbered(120));
    assert_eq!(next_messages(&mut heard, chat, 120).await, numbered(120));
    for person in [&alice, &bob] {
        reaches(&person.client, "live again", |state| *state == Status::Live).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gets_1500_missed_messages_in_order_each_once() {
    let running = start().await;
    let folder = tempfile::tempdir().expect("create directory");
    let open = || {
        let store = FileStore::open(folder.path().join("bob")).expect("open store");
        builder(&running).store(store).build().expect("build client")
    };
    let alice = Person::live(&running).await;
    let bob = Person::register(open()).await;
    go_live(&bob.client).await;
    let chat = open_chat(&alice, &bob).await;
    bob.client.close().await;
    acknowledged(send_numbered(&alice.client, chat, 1500).await).await;

    let again = open();
    let mut events = again.events();
    again.start().await.expect("start");
    let gap = find(&mut events, "the gap", |event| if let Event::Gap(gap) = event { Some(gap) } else { None }).await;
    assert_eq!((gap.chat_id, gap.from_seq, gap.to_seq, gap.skipped), (chat, 1, 1500, false));
    acknowledged([alice.client.send(chat, "1501").await.expect("send")]).await;
    assert_eq!(next_messages(&mut events, chat, 1501).await, numbered(1501));
    assert_eq!(again.timeline(chat).segments().await.expect("segments"), [(1, 1501)]);
    assert_eq!(again.timeline(chat).before(1000, 50).await.expect("page").messages.len(), 50);
    assert_eq!(again.chat(chat).expect("chat").unread_count, 1501);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_was_opened_while_the_client_was_away_brings_its_messages() {
    let running = start().await;
    let (alice, carol, _) = pair(&running).await;
    let folder = tempfile::tempdir().expect("create directory");
    let open = || {
        let store = FileStore::open(folder.path().join("bob")).expect("open store");
        builder(&running).store(store).build().expect("build client")
    };
    let client = open();
    let mut events = client.events();
    let bob = Person::register(client).await;
    go_live(&bob.client).await;
    // The list is told when it begins, and when it is complete.
    for _ in 0..2 {
        find(&mut events, "the list", |event| matches!(event, Event::Chat(ChatEvent::Listed)).then_some(())).await;
    }
    bob.client.close().await;
    let body = json!({ "partner_id": bob.id });
    let chat: Value = alice.client.rest().post("/chats").json(&body).send().await.expect("open chat");
    let chat = serde_json::from_value(chat["id"].clone()).expect("ID of the chat");
    acknowledged(send_numbered(&alice.client, chat, 2).await).await;
    drop(carol);

    let again = open();
    let mut events = again.events();
    again.start().await.expect("start");
    assert_eq!(next_messages(&mut events, chat, 2).await, numbered(2));
}

async fn five_acks(events: &mut Events) {
    for _ in 0..5 {
        find(events, "the acknowledgement", |event| if let Event::Outbox(outbox) = event { outbox.ack } else { None })
            .await;
    }
}

/// Whatever the process was doing: the file at this moment is what a `kill -9` leaves.
#[tokio::test(flavor = "multi_thread")]
async fn what_send_has_returned_survives_the_end_of_the_process() {
    let running = start().await;
    let (alice, bob, chat) = pair(&running).await;
    let folder = tempfile::tempdir().expect("create directory");
    let (journal, left) = (folder.path().join("journal"), folder.path().join("left"));
    let session = alice.client.session().expect("session");
    // A second device of Alice, which reaches nobody.
    let away = Client::builder(running.system.rest()).web_socket_url("ws://127.0.0.1:9/ws").session(session);
    let away = away.store(FileStore::open(&journal).expect("open store")).build().expect("build client");
    away.start().await.expect("start");
    let sendings = send_numbered(&away, chat, 5).await;
    fs::copy(&journal, &left).expect("copy journal");

    let mut heard = bob.client.events();
    let again =
        builder(&running).store(FileStore::open(&left).expect("open what is left")).build().expect("build client");
    let requests: Vec<_> = sendings.iter().map(Sending::request_id).collect();
    assert_eq!(again.outbox().iter().map(|row| row.request_id).collect::<Vec<_>>(), requests);
    let mut events = again.events();
    again.start().await.expect("start");
    assert_eq!(next_messages(&mut heard, chat, 5).await, numbered(5));
    five_acks(&mut events).await;
    assert_eq!(history(&alice.client, chat).await, numbered(5));
    assert!(again.outbox().is_empty());

    // The first process was not killed after all: nothing is there twice.
    away.close().await;
    let late = builder(&running).store(FileStore::open(&journal).expect("open store")).build().expect("build client");
    let mut events = late.events();
    late.start().await.expect("start");
    five_acks(&mut events).await;
    assert_eq!(history(&alice.client, chat).await, numbered(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_a_dead_connection_by_its_own_ping() {
    let running = start().await;
    let alice = Person::live(&running).await;
    let process = running.system.notification_ids().expect("running")[0];
    let process = Pid::from_raw(i32::try_from(process).expect("process ID"));
    kill(process, Signal::SIGSTOP).expect("stop notification-service");
    let asked = Instant::now();
    alice.client.set_visible(true).await.expect("become visible");
    let waits = |state: &Status| matches!(state, Status::Waiting { .. });
    reaches(&alice.client, "waiting", waits).await;
    let waited = asked.elapsed();
    kill(process, Signal::SIGCONT).expect("continue notification-service");
    assert!(waited.as_millis() >= 7_900, "{waited:?}");
    reaches(&alice.client, "live again", |state| *state == Status::Live).await;
}
