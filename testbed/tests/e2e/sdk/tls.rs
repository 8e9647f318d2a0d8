//! https:// and wss://.

use std::fs;

use neonchat_client::{Client, Status};
use neonchat_testbed::{
    client::PASSWORD,
    proxy::{Disturbance, Proxy},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{io::AsyncReadExt as _, net::TcpListener, time::timeout};
use tokio_rustls::TlsAcceptor;

use super::{EVENT_TIMEOUT, Person, builder, go_live, history, next_messages, numbered, open_chat, reaches};
use crate::{
    helpers::{Running, folder},
    nginx::Nginx,
};

#[tokio::test(flavor = "multi_thread")]
async fn sends_each_message_once_over_tls_also_after_a_cut() {
    let (running, folder) = (Running::start(&[]).await, folder());
    let mut nginx = Nginx::start(folder.path(), &[running.system.ports()]).await;
    let link = Proxy::start(nginx.https()).expect("start proxy");
    let certificate = fs::read(nginx.certificate()).expect("read certificate");
    let live = async || {
        let builder = Client::builder(format!("https://localhost:{}", link.port()))
            .web_socket_url(format!("wss://localhost:{}/ws", link.port()))
            .root_certificates(certificate.clone());
        let person = Person::register(builder.build().expect("build client")).await;
        go_live(&person.client).await;
        person
    };
    let (alice, bob) = (live().await, live().await);
    let chat = open_chat(&alice, &bob).await;
    let mut heard = bob.client.events();
    let send = async |seq: u64| alice.client.send(chat, seq.to_string()).await.expect("send");
    send(1).await.await.expect("acknowledge message");

    link.disturb(Disturbance::Reset);
    for person in [&alice, &bob] {
        reaches(&person.client, "waiting", |state| matches!(state, Status::Waiting { .. })).await;
    }
    let sending = send(2).await;
    link.heal();
    sending.await.expect("acknowledge message");
    send(3).await.await.expect("acknowledge message");
    assert_eq!(next_messages(&mut heard, chat, 3).await, numbered(3));
    assert_eq!(history(&alice.client, chat).await, numbered(3));
    // Of each client the first, and one after the cut. nginx logs a socket when it has ended.
    alice.client.close().await;
    bob.client.close().await;
    assert!(nginx.requests("/ws", 4).await.len() >= 4);
}

/// A server with TLS.
struct Server {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    certificate: String,
}

impl Server {
    /// A server with a self-signed certificate for a host.
    async fn start(host: &str) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([host.to_owned()]).expect("make certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("key");
        let config = ServerConfig::builder_with_provider(ring::default_provider().into());
        let config = config.with_safe_default_protocol_versions().expect("known versions").with_no_client_auth();
        let config = config.with_single_cert(vec![cert.der().clone()], key).expect("certificate and key");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        Self { listener, acceptor: TlsAcceptor::from(std::sync::Arc::new(config)), certificate: cert.pem() }
    }

    fn address(&self) -> String {
        self.listener.local_addr().expect("address").to_string()
    }

    /// Returns what the next client sends, or why it breaks the handshake off.
    async fn receive(&self) -> Result<String, String> {
        let (stream, _) = timeout(EVENT_TIMEOUT, self.listener.accept()).await.expect("in time").expect("accept");
        let mut stream = self.acceptor.accept(stream).await.map_err(|error| error.to_string())?;
        let mut sent = [0; 4096];
        let length = stream.read(&mut sent).await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&sent[..length]).into_owned())
    }
}

#[tokio::test]
async fn tells_no_password_to_a_server_without_a_trusted_certificate() {
    for (host, is_trusted, expected, alert) in [
        ("127.0.0.1", false, "invalid peer certificate: UnknownIssuer", "UnknownCA"),
        ("chat.example.org", true, "invalid peer certificate: certificate not valid for name", "BadCertificate"),
    ] {
        let server = Server::start(host).await;
        let mut builder = Client::builder(format!("https://{}", server.address()));
        if is_trusted {
            builder = builder.root_certificates(server.certificate.clone());
        }
        let client = builder.build().expect("build client");
        let (received, result) = tokio::join!(server.receive(), client.login("alice", PASSWORD));
        let error = result.expect_err("not signed in");
        assert!(error.code() == "network" && error.to_string().contains(expected), "{error}");
        assert_eq!(received, Err(format!("received fatal alert: {alert}")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_no_token_to_a_websocket_without_a_trusted_certificate() {
    let running = Running::start(&[]).await;
    let server = Server::start("127.0.0.1").await;
    let client = builder(&running).web_socket_url(format!("wss://{}", server.address())).build().expect("build client");
    let person = Person::register(client).await;
    person.client.start().await.expect("start");
    assert_eq!(server.receive().await, Err("received fatal alert: UnknownCA".to_owned()));
    let waits = |state: &Status| matches!(state, Status::Waiting { reason, .. } if reason == "handshake");
    reaches(&person.client, "waiting", waits).await;
}
