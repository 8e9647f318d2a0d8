//! One trace for one message across both services, Postgres and Redis (issue 6), as received by a collector.

mod collector;

use std::{net::TcpListener, time::Duration};

use fred::interfaces::{ClientLike as _, PubsubInterface as _};
use neonchat_common::redis;
use neonchat_testbed::{
    client::{PASSWORD, Socket, User},
    harness::{self, until},
    port,
};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;
use tokio::time::Instant;

use self::collector::{Collector, Seen, by_trace, hex, one, tree};
use crate::helpers::Running;

const TEXT: &str = "between-the-two-of-us";

/// Seven spans.
const MESSAGE_BY_SOCKET: &str = "\
notification-service: websocket message (server)
  notification-service: chat.v1.ChatService/StoreMessages (client)
    chat-service: chat.v1.ChatService/StoreMessages (server)
      chat-service: INSERT messages (client)
  notification-service: deliver chat:{chat_id} (internal)
  notification-service: publish chat:{chat_id} (producer)
    notification-service: deliver chat:{chat_id} (consumer)
";

/// Eight spans. The last one is the query whether the token was revoked.
const MESSAGE_BY_REST: &str = "\
chat-service: POST /api/v1/chats/{id}/messages (server)
  chat-service: INSERT messages (client)
  chat-service: notification.v1.NotificationService/SendMessage (client)
    notification-service: notification.v1.NotificationService/SendMessage (server)
      notification-service: deliver chat:{chat_id} (internal)
      notification-service: publish chat:{chat_id} (producer)
        notification-service: deliver chat:{chat_id} (consumer)
  chat-service: postgresql (client)
";

/// Alice on one instance and Bob on another, both subscribed to their chat.
struct Stage {
    running: Running,
    alice: User,
    chat: String,
    alices: Socket,
    bobs: Socket,
}

impl Stage {
    async fn set(endpoint: &str, settings: &[(&str, &str)]) -> Self {
        let mut all = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
        all.extend(settings);
        let mut running = Running::start(&all).await;
        running.system.add_notification_service().await.expect("start second instance");
        let api = running.system.api();
        let (alice, bob) = (api.any_user().await.expect("register user"), api.any_user().await.expect("register user"));
        let chat = api.chat(&alice, &bob).await.expect("create chat");
        let [first, second] = running.system.websocket_addresses().try_into().expect("list two instances");
        let alices = Socket::open(&format!("ws://{first}"), &alice, Some(&chat)).await.expect("open socket");
        let bobs = Socket::open(&format!("ws://{second}"), &bob, Some(&chat)).await.expect("open socket");
        until_subscribed(&running.namespace, &chat).await;
        Self { running, alice, chat, alices, bobs }
    }

    async fn post(&self, traceparent: &str) {
        let url = format!("{}/api/v1/chats/{}/messages", self.running.system.rest(), self.chat);
        let request = reqwest::Client::new().post(url).bearer_auth(&self.alice.token).json(&json!({ "text": TEXT }));
        let answer = request.header("traceparent", traceparent).send().await.expect("receive answer");
        assert_eq!(answer.status(), 201);
    }
}

/// Waits until both instances have subscribed to a chat. Clients get no event for it.
async fn until_subscribed(namespace: &str, chat: &str) {
    let client = redis::client(&harness::redis_url().into()).expect("create client");
    client.wait_for_connect().await.expect("connect");
    let channel = format!("{namespace}:chat:{chat}");
    let are_subscribed = async || {
        client.pubsub_numsub::<Vec<(String, u64)>, _>(channel.as_str()).await.expect("count subscribers")[0].1 >= 2
    };
    until("both instances have subscribed", are_subscribed).await;
}

fn has_traces(seen: &[Seen], first: &str, count: usize, spans: usize) -> bool {
    let is_whole = |trace: &&Vec<Seen>| trace.len() >= spans && trace.iter().any(|seen| seen.span.name == first);
    by_trace(seen).values().filter(is_whole).count() >= count
}

#[tokio::test(flavor = "multi_thread")]
async fn message_over_websocket_is_one_trace_across_instances() {
    let collector = Collector::start().await;
    let mut stage = Stage::set(&collector.endpoint, &[]).await;
    stage.alices.send_message(&stage.chat, TEXT).await.expect("receive ack");
    stage.bobs.expect_beside_presence("new_message").await.expect("receive message");

    let seen = collector.until(|seen| has_traces(seen, "websocket message", 1, 7)).await;
    let trace = one(&seen, "websocket message", SpanKind::Server).trace();
    let spans = by_trace(&seen).remove(&trace).expect("find trace");
    assert_eq!(tree(&spans, &[]), MESSAGE_BY_SOCKET);
    let deliver = "deliver chat:{chat_id}";
    let (here, there) = (one(&spans, deliver, SpanKind::Internal), one(&spans, deliver, SpanKind::Consumer));
    assert_ne!(here.instance, there.instance);
    assert_eq!(here.attribute("neonchat.sockets").as_deref(), Some("0"));
    let attributes = [
        ("chat.v1.ChatService/StoreMessages", SpanKind::Client, "rpc.response.status_code", "OK"),
        ("chat.v1.ChatService/StoreMessages", SpanKind::Server, "rpc.system.name", "grpc"),
        ("INSERT messages", SpanKind::Client, "db.system.name", "postgresql"),
        ("publish chat:{chat_id}", SpanKind::Producer, "messaging.destination.name", &format!("chat:{}", stage.chat)),
    ];
    for (name, kind, key, value) in attributes {
        assert_eq!(one(&spans, name, kind).attribute(key).as_deref(), Some(value), "{name}: {key}");
    }
    for seen in &seen {
        assert!(!seen.is_error(), "{seen:?}");
        let text = format!("{seen:?}");
        for secret in [TEXT, PASSWORD, stage.alice.token.as_str()] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    // Root spans are handshakes, REST requests and frames. Probes and background work are not traced.
    for seen in seen.iter().filter(|seen| seen.span.parent_span_id.is_empty()) {
        assert!(["POST ", "GET /ws", "websocket "].iter().any(|name| seen.span.name.starts_with(name)), "{seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn message_over_rest_joins_the_trace_of_its_caller() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const CALLER: [u8; 8] = [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7];
    let collector = Collector::start().await;
    // Traces without a sampled parent are not exported.
    let sampler = [("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")];
    let mut stage = Stage::set(&collector.endpoint, &sampler).await;
    stage.alices.send_message(&stage.chat, TEXT).await.expect("receive ack");
    stage.post(&format!("00-0af7651916cd43dd8448eb211c80319c-{}-00", hex(&CALLER))).await;
    stage.post(&format!("00-{TRACE}-{}-01", hex(&CALLER))).await;
    for _ in 0..3 {
        stage.bobs.expect_beside_presence("new_message").await.expect("receive message");
    }

    let route = "POST /api/v1/chats/{id}/messages";
    let seen = collector.until(|seen| has_traces(seen, route, 1, 8)).await;
    assert_eq!(by_trace(&seen).keys().collect::<Vec<_>>(), [TRACE]);
    assert_eq!(tree(&seen, &CALLER), MESSAGE_BY_REST);
    let request = one(&seen, route, SpanKind::Server);
    let attributes = ["http.request.method", "http.route", "http.response.status_code"];
    let values = attributes.map(|key| request.attribute(key).unwrap_or_default());
    assert_eq!(values, ["POST", "/api/v1/chats/{id}/messages", "201"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn batched_messages_have_separate_traces() {
    const MESSAGES: usize = 100;
    let collector = Collector::start().await;
    let mut stage = Stage::set(&collector.endpoint, &[("WS_MESSAGES_PER_SECOND", "0")]).await;
    for _ in 0..MESSAGES {
        let request_id = uuid::Uuid::new_v4().to_string();
        let message = json!({ "type": "message", "chat_id": stage.chat, "text": TEXT, "request_id": request_id });
        stage.alices.send(&message).await.expect("send");
    }
    for _ in 0..MESSAGES {
        stage.bobs.expect_beside_presence("new_message").await.expect("receive message");
    }
    let seen = collector.until(|seen| has_traces(seen, "websocket message", MESSAGES, 7)).await;
    let is_message = |spans: &Vec<Seen>| spans.iter().any(|seen| seen.span.name == "websocket message");
    for spans in by_trace(&seen).into_values().filter(is_message) {
        assert_eq!(tree(&spans, &[]), MESSAGE_BY_SOCKET);
    }
    // The first message is stored alone, the messages that arrive meanwhile in batches.
    let batch = |key: &str| seen.iter().filter_map(|seen| seen.attribute(key)?.parse().ok()).max();
    for key in ["messaging.batch.message_count", "db.operation.batch.size"] {
        assert!(batch(key) > Some(1), "{key}: {:?}", batch(key));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_or_hanging_collector_has_no_effect() {
    let away = format!("http://127.0.0.1:{}", port::reserve().expect("reserve port"));
    // Accepts connections and never reads.
    let hangs = TcpListener::bind("127.0.0.1:0").expect("bind port");
    let hanging = format!("http://{}", hangs.local_addr().expect("get address"));
    let cases = [(away, "trace export failed, spans are lost"), (hanging, "last trace spans not exported")];
    for (endpoint, message) in cases {
        // A queue that is full after a few spans.
        let queue = [("OTEL_BSP_MAX_QUEUE_SIZE", "8"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")];
        let mut stage = Stage::set(&endpoint, &queue).await;
        for _ in 0..20 {
            let ack = stage.alices.send_message(&stage.chat, TEXT).await.expect("receive ack");
            assert_eq!(ack["status"], "delivered");
            stage.bobs.expect_beside_presence("new_message").await.expect("receive message");
        }
        drop((stage.alices, stage.bobs));
        let Running { system, folder, .. } = stage.running;
        let started = Instant::now();
        system.stop().await.expect("wait for end");
        // Three processes stop one after the other. Each waits at most two seconds for the collector.
        assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
        let log = std::fs::read_to_string(folder.path().join("notification-service.log")).expect("read log");
        assert!(log.contains(message), "{log}");
    }
}
