//! Unread counts with edits and deletions, compared with a count over the history.

use neonchat_testbed::client::User;
use serde_json::{Value, json};

use super::{Change, Stage};

const STEPS: usize = 80;

impl Stage {
    async fn history(&self, user: &User) -> Vec<Value> {
        let page = self.get("/messages?limit=100", user).await;
        assert_eq!(page["has_previous"], false);
        page["messages"].as_array().expect("messages").clone()
    }

    async fn assert_unread_count(&self, user: &User) {
        let (item, history) = (self.item(user).await, self.history(user).await);
        let read = item["read_seq"].as_i64();
        let is_unread = |message: &&Value| {
            message["seq"].as_i64() > read && message["sender_id"] != *user.id && message["deleted"] != true
        };
        let unread = history.iter().filter(is_unread).count();
        assert_eq!(item["unread_count"], unread, "{item}\n{history:?}");
        let alive = history.iter().find(|message| message["deleted"] != true);
        assert_eq!(item["last_message"]["text"], alive.map_or(Value::Null, |message| message["text"].clone()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_count_is_the_count_over_the_history() {
    let stage = Stage::start(&[]).await;
    let mut random = fastrand::Rng::with_seed(7);
    let users = [&stage.alice, &stage.bob];
    let mut sockets = [stage.open(0, users[0]).await, stage.open(1, users[1]).await];
    let mut ids: [Vec<String>; 2] = Default::default();
    for step in 0..STEPS {
        let user = random.usize(..2);
        let mine = |random: &mut fastrand::Rng| ids[user].get(random.usize(..ids[user].len().max(1))).cloned();
        match random.u8(..8) {
            0..=2 => ids[user].push(stage.send(users[user], &format!("sent {step}")).await),
            3 | 4 => {
                let Some(message) = mine(&mut random) else { continue };
                // The message may be deleted.
                let status = stage.change(users[user], &Change::edit(&message, &format!("edited {step}"))).await.status;
                assert!(matches!(status, 200 | 404), "{status}");
            }
            5 | 6 => {
                let messages: Vec<String> = (0..3).filter_map(|_| mine(&mut random)).collect();
                if messages.is_empty() {
                    continue;
                }
                let messages: Vec<_> = messages.iter().map(String::as_str).collect();
                let change = Change::delete(&messages);
                sockets[user].send(&change.frame(&stage.chat)).await.expect("send");
                loop {
                    let frame = sockets[user].next().await.expect("receive frame");
                    assert_ne!(frame["type"], "error", "{frame}");
                    if frame["type"] == "ack" && frame["request_id"] == json!(change.request_id) {
                        break;
                    }
                }
            }
            _ => {
                let head = stage.item(users[user]).await["last_seq"].as_i64().expect("seq");
                if head == 0 {
                    continue;
                }
                let read = json!({ "read": random.i64(1..=head) });
                assert_eq!(stage.call("PUT", "/receipt", users[user], Some(&read)).await.status, 200);
            }
        }
        for user in users {
            stage.assert_unread_count(user).await;
        }
    }
}
