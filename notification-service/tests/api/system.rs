//! System messages of the operator.

use neonchat_common::settings::SettingsSource;
use neonchat_testbed::client::Socket;
use notification_service::{broadcast::broadcast, config::Settings};
use serde_json::json;

use crate::helpers::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn broadcast_reaches_every_socket_of_every_instance() {
    // A Redis of its own, because the broadcast would reach the sockets of other tests.
    let folder = tempfile::tempdir().expect("create directory");
    let redis = neonchat_testbed::redis::Redis::start(folder.path(), None, neonchat_testbed::redis::Persistence::None);
    let redis = redis.await.expect("start Redis");
    let app = TestApp::start_with(&redis.url(), &[]).await;
    let other = app.another().await;
    let (alice, bob, chat) = app.two_users().await;
    let mut alices = app.socket(&alice).await;
    let mut bobs = Socket::open(&other.websocket, &bob, Some(&chat)).await.expect("open socket");

    let port = app.notification.grpc.rsplit_once(':').expect("find port").1.to_owned();
    let settings = |values: &[(&str, &str)]| {
        let values = [("NOTIFICATION_GRPC_PORT", port.as_str())].into_iter().chain(values.iter().copied());
        Settings::read(SettingsSource::from_values(values)).expect("read settings")
    };
    broadcast(&settings(&[]), "Back in five minutes".to_owned()).await.expect("broadcast");
    for socket in [&mut alices, &mut bobs] {
        let frame = socket.expect_beside_presence("system").await.expect("receive system message");
        assert_eq!(frame, json!({ "type": "system", "text": "Back in five minutes" }));
    }

    for (text, reason) in [("", "at least 1 character"), (" \u{200b}\n", "at least one visible character")] {
        let error = broadcast(&settings(&[]), text.to_owned()).await.expect_err("broadcast without text");
        assert!(format!("{error:#}").contains(reason), "{error:#}");
    }
    let stranger = settings(&[("INTERNAL_TOKEN", "guess")]);
    let error = broadcast(&stranger, "x".to_owned()).await.expect_err("broadcast with wrong token");
    assert!(format!("{error:#}").contains("internal token"), "{error:#}");
}
