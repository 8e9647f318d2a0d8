//! Mutual TLS between the services.

use std::fs;

use neonchat_testbed::{
    client::Socket,
    redis::{Persistence, Redis},
    system::binary,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;

use crate::helpers::Running;

#[tokio::test(flavor = "multi_thread")]
async fn grpc_calls_and_broadcast_work_over_tls() {
    let mut authority = CertificateParams::new([]).expect("create certificate parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("generate key")).expect("sign authority");
    let key = KeyPair::generate().expect("generate key");
    let hosts = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])
        .expect("create certificate parameters");
    let certificate = hosts.signed_by(&key, &authority).expect("sign certificate");
    let folder = tempfile::tempdir().expect("create directory");
    let file = |name: &str, pem: String| {
        let path = folder.path().join(name);
        fs::write(&path, pem).expect("write file");
        path.into_os_string().into_string().expect("path is UTF-8")
    };
    let (ca, cert, key) =
        (file("ca.pem", authority.pem()), file("cert.pem", certificate.pem()), file("key.pem", key.serialize_pem()));
    // A separate Redis: the broadcast would reach the sockets of other tests.
    let redis = Redis::start(&folder.path().join("redis"), None, Persistence::None).await.expect("start Redis");
    let url = redis.url();
    let settings = [
        ("INTERNAL_TLS_CA_FILE", &*ca),
        ("INTERNAL_TLS_CERT_FILE", &*cert),
        ("INTERNAL_TLS_KEY_FILE", &*key),
        ("REDIS_URL", &*url),
    ];
    let Running { system, .. } = &Running::start(&settings).await;
    let (api, ws) = (system.api(), system.websocket());
    let (alice, bob) = (api.any_user().await.expect("register user"), api.any_user().await.expect("register user"));
    let chat = api.chat(&alice, &bob).await.expect("create chat");

    // notification-service calls chat-service.
    let mut alices = Socket::open(&ws, &alice, None).await.expect("open socket");
    let mut bobs = Socket::open(&ws, &bob, None).await.expect("open socket");
    alices.send_message(&chat, "x").await.expect("receive ack");
    assert_eq!(bobs.expect_beside_presence("new_message").await.expect("receive message")["seq"], 1);
    // chat-service calls notification-service.
    let list = api.get("/api/v1/chats", &alice).await.expect("receive answer");
    assert_eq!(list.body["chats"][0]["partner"]["online"], true);
    assert_eq!(api.call("GET", "/health", None, None).await.expect("receive answer").body["status"], "healthy");

    let broadcast = tokio::process::Command::new(binary("notification-service").expect("find binary"))
        .args(["broadcast", "Back soon"])
        .envs(settings)
        .env("NOTIFICATION_GRPC_PORT", system.notification_grpc_port().to_string())
        .status();
    assert!(broadcast.await.expect("run broadcast").success());
    assert_eq!(
        bobs.expect_beside_presence("system").await.expect("receive broadcast"),
        json!({ "type": "system", "text": "Back soon" })
    );
}
