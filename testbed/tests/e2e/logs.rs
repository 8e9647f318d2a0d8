//! The content of the logs.

use neonchat_testbed::{
    client::{PASSWORD, Socket},
    harness,
};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::helpers::Running;

#[tokio::test(flavor = "multi_thread")]
async fn both_services_log_the_request_id_and_no_secret() {
    const TEXT: &str = "between-the-two-of-us";
    let running = Running::start(&[("LOG_FORMAT", "json"), ("LOG_LEVEL", "debug")]).await;
    let (api, ws) = (running.system.api(), running.system.websocket());
    let (alice, bob) = (api.any_user().await.expect("register user"), api.any_user().await.expect("register user"));
    let chat = api.chat(&alice, &bob).await.expect("create chat");
    let mut alices = Socket::open(&ws, &alice, None).await.expect("open socket");
    let request_id = uuid::Uuid::new_v4().to_string();
    alices
        .send(&json!({ "type": "message", "chat_id": chat, "text": TEXT, "request_id": request_id }))
        .await
        .expect("send");
    alices.expect_beside_presence("message_sent").await.expect("receive ack");
    let path = format!("/api/v1/chats/{chat}/messages");
    for body in [json!({ "text": [TEXT] }), json!({ "text": TEXT })] {
        api.post(&path, &alice, &body).await.expect("receive answer");
    }
    alices.expect_beside_presence("new_message").await.expect("receive message");
    // A frame with an invalid `chat_id`, and one that is not JSON.
    for bad in [json!({ "type": "message", "chat_id": 1, "text": TEXT }).to_string(), format!("{{{TEXT}")] {
        alices.send_raw(tokio_tungstenite::tungstenite::Message::text(bad)).await.expect("send");
        alices.expect_beside_presence("error").await.expect("receive error");
    }

    for service in ["chat-service", "notification-service"] {
        let log = running.log(service);
        let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("parse log line")).collect();
        // The span of a request has the ID, or the line itself if one call stores messages of several requests.
        let is_ours = |line: &&Value| [&line["span"]["request.id"], &line["request.id"]].contains(&&json!(request_id));
        assert!(lines.iter().find(is_ours).is_some(), "{service} did not log {request_id}:\n{log}");
        if service == "chat-service" {
            // The call that stores the message has the ID of the send and no other.
            let is_call = |line: &&Value| line["grpc.method"] == "StoreMessages" && is_ours(line);
            assert!(lines.iter().find(is_call).is_some(), "no call has {request_id}:\n{log}");
        }
        for secret in [TEXT, PASSWORD, alice.token.as_str()] {
            assert!(!log.contains(secret), "{service} logged {secret}:\n{log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn warns_once_that_copies_cannot_be_recognized() {
    let database = harness::test_database().await;
    let (client, connection) = tokio_postgres::connect(&database, NoTls).await.expect("connect to Postgres");
    tokio::spawn(connection);
    let (role, name) = (format!("r{}", uuid::Uuid::new_v4().simple()), database.rsplit('/').next().expect("find name"));
    let limit = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'p'; ALTER DATABASE {name} OWNER TO {role}; ALTER SCHEMA public OWNER TO {role};
         REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"
    );
    client.batch_execute(&limit).await.expect("restrict role");
    let (_, address) = database.rsplit_once('@').expect("URL has a user");
    let running = Running::start_on(&format!("postgres://{role}:p@{address}"), &[]).await;
    let log = running.log("chat-service");
    let lines: Vec<_> = log.lines().filter(|line| line.contains("pg_control_system is not permitted")).collect();
    let [line] = lines[..] else { panic!("one line: {log}") };
    assert!(line.contains("WARN"), "{line}");
}
