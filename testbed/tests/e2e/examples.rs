//! The example requests of the specification («Примеры запросов»), unchanged except for ids, tokens and ports.

use neonchat_testbed::client::{Socket, User, text};
use serde_json::Value;
use tokio::process::Command;

use crate::helpers::Running;

async fn shell(script: &str) -> Value {
    let output = Command::new("sh").arg("-c").arg(script).output().await.expect("run shell");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{script}: {output:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_request_works() {
    let Running { system, .. } = &Running::start(&[]).await;
    let (api, ws) = (system.api(), system.websocket());
    let http = ws.replace("ws://", "http://");
    let rest = system.rest();
    let alice = shell(&format!(
        r#"curl -X POST {rest}/api/v1/auth/register \
  -H "Content-Type: application/json" \
  -d '{{"username":"alice","password":"securepass123"}}'"#
    ))
    .await;
    assert_eq!(alice["username"], "alice");
    let login = shell(&format!(
        r#"curl -X POST {rest}/api/v1/auth/login \
  -H "Content-Type: application/json" \
  -d '{{"username":"alice","password":"securepass123"}}'"#
    ))
    .await;
    assert_eq!((&login["expires_in"], &login["user"]["id"]), (&86400.into(), &alice["id"]));
    let token = text(&login["token"]).expect("find token");

    let bob = api.user("bob").await.expect("register Bob");
    let chat = shell(&format!(
        r#"curl -X POST {rest}/api/v1/chats \
  -H "Authorization: Bearer {token}" \
  -H "Content-Type: application/json" \
  -d '{{"partner_id":"{}"}}'"#,
        bob.id
    ))
    .await;
    let chat = text(&chat["id"]).expect("find ID");

    // Equivalent to `wscat -c "ws://…/ws?token=…&chat_id=…"`.
    let alice = User { id: text(&alice["id"]).expect("find ID"), name: "alice".to_owned(), token };
    let mut socket = Socket::open(&ws, &alice, Some(&chat)).await.expect("open socket");
    // The frame of the description of the socket, and the frame of the load script, which omits the chat.
    for frame in [
        format!(r#"{{"type":"message","chat_id":"{chat}","text":"Текст","request_id":"{}"}}"#, uuid::Uuid::new_v4()),
        format!(r#"{{"type":"message","text":"Test message","request_id":"{}"}}"#, uuid::Uuid::new_v4()),
    ] {
        socket.send(&serde_json::from_str(&frame).expect("parse JSON")).await.expect("send");
        let ack = socket.expect("message_sent").await.expect("receive ack");
        assert_eq!(ack["status"], "delivered");
    }
    let metrics = Command::new("curl").arg("-sf").arg(format!("{http}/metrics")).output().await.expect("run curl");
    assert!(String::from_utf8_lossy(&metrics.stdout).contains("websocket_connections_current 1"));
}

/// Runs “First message” of the README with another port.
#[tokio::test(flavor = "multi_thread")]
async fn first_message_of_the_readme_works() {
    let Running { system, .. } = &Running::start(&[]).await;
    let readme = include_str!("../../../README.md");
    let blocks: Vec<_> =
        readme.split("\n```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n")).collect();
    let script = blocks.iter().find(|block| block.starts_with("api=")).expect("find commands of the README");
    let script = script.replace("http://localhost:8080", &system.rest());
    let output = Command::new("sh").arg("-c").arg(&script).output().await.expect("run shell");
    let printed = String::from_utf8_lossy(&output.stdout);
    let last = serde_json::Deserializer::from_str(&printed).into_iter::<Value>().last();
    let message = last.unwrap_or_else(|| panic!("{output:?}")).expect("parse JSON");
    assert_eq!((&message["text"], &message["seq"]), (&"Are you there?".into(), &1.into()), "{output:?}");
}
