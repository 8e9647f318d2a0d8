//! Many receipts at once cost a bounded number of calls and written rows.

use std::time::Instant;

use neonchat_testbed::{client::Api, harness::until};
use serde_json::json;

use super::{Stage, send};

const WRITTEN: &str = "chat_read_markers_written_total";
const CALLS: &str = r#"grpc_client_request_duration_seconds_count{service="chat.v1.ChatService",method="MarkReadMany""#;

/// The calls and the rows since the start of both services.
async fn costs(stage: &Stage) -> (u64, u64) {
    let value = async |api: Api, name: &str| {
        // The first call makes the metric of the calls.
        let Ok(line) = api.metric(name).await else { return 0 };
        line.split(' ').next_back().and_then(|value| value.parse().ok()).expect("parse number")
    };
    let system = &stage.running.system;
    (value(system.notification(), CALLS).await, value(system.api(), WRITTEN).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_receipts_of_one_user_are_one_row_a_second() {
    const RECEIPTS: usize = 40;
    let stage = Stage::direct().await;
    let (bob, chat) = (&stage.users[1], &stage.chat);
    stage.send_to(chat, RECEIPTS).await;
    let mut bobs = stage.open(0, bob).await;
    let start = Instant::now();
    for read in 1..=RECEIPTS {
        send(&mut bobs, chat, json!({ "read": read })).await;
    }
    until("all are written", async || stage.item(bob).await["read_seq"] == RECEIPTS).await;
    let (calls, rows) = costs(&stage).await;
    assert!((1..=start.elapsed().as_secs() + 2).contains(&rows), "{rows} rows");
    assert_eq!(calls, rows, "a call for each row");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_member_of_a_group_is_one_row_in_an_interval() {
    const MEMBERS: usize = 12;
    const RECEIPTS: usize = 10;
    for (size, interval) in [(101, 1), (1001, 5)] {
        let stage = Stage::group(MEMBERS, size).await;
        let chat = &stage.chat;
        stage.send_to(chat, RECEIPTS).await;
        let mut sockets = Vec::new();
        for user in &stage.users[1..] {
            sockets.push(stage.open(0, user).await);
        }
        let start = Instant::now();
        for read in 1..=RECEIPTS {
            for socket in &mut sockets {
                send(socket, chat, json!({ "read": read })).await;
            }
        }
        let readers = sockets.len() as u64;
        until("all are written", async || costs(&stage).await.1 >= readers).await;
        for user in &stage.users[1..] {
            until("the last one is written", async || stage.item(user).await["read_seq"] == RECEIPTS).await;
        }
        let (calls, rows) = costs(&stage).await;
        let most = readers * (start.elapsed().as_secs() / interval + 2);
        assert!((readers..=most).contains(&rows), "{rows} rows of {readers} readers in {:?}", start.elapsed());
        assert!((1..=rows).contains(&calls), "{calls} calls for {rows} rows");
    }
}
