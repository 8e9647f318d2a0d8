//! Services that know each other by certificates.

use std::{fs, time::Duration};

use neonchat_common::{
    settings::{CommonSettings, GrpcSettings, SettingsSource},
    tls::{Tls, TlsError},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::AsyncReadExt as _;
use tonic::Code;

use crate::stand_in::{StandIn, call, peer, peer_with, settings};

const LIMIT: Duration = Duration::from_secs(5);

/// An authority, and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a host, and its key.
    fn sign(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([host.to_owned()]).expect("parameters");
        (params.signed_by(&key, &self.0).expect("a certificate").pem(), key.serialize_pem())
    }

    /// The settings of a service at this host, which believes this authority.
    fn settings(&self, host: &str) -> GrpcSettings {
        let (certificate, key) = self.sign(host);
        let tls = Tls::from_pem(&self.pem(), &certificate, &key).expect("certificates");
        GrpcSettings { attempts: 1, tls: Some(tls), ..settings() }
    }
}

async fn server(settings: &GrpcSettings) -> StandIn {
    StandIn::start_with(settings, "127.0.0.1:0".parse().expect("an address"), async |_| Ok(())).await
}

#[tokio::test]
async fn those_who_believe_the_same_authority_hear_each_other() {
    let authority = Authority::new();
    let server = server(&authority.settings("127.0.0.1")).await;
    let peer = peer_with(&[server.address], &authority.settings("another.example"));
    call(&peer, LIMIT).await.expect("an answer");
    assert!(peer.is_serving(LIMIT).await);
}

#[tokio::test]
async fn a_silent_connection_is_closed_and_a_known_one_is_not() {
    let authority = Authority::new();
    let settings = authority.settings("127.0.0.1");
    let server = StandIn::start_limited(&settings, 16, Duration::from_millis(300), |builder| builder).await;
    let peer = peer_with(&[server.address], &settings);
    call(&peer, LIMIT).await.expect("an answer");
    // It has not begun the TLS handshake.
    let mut silent = tokio::net::TcpStream::connect(server.address).await.expect("a connection");
    let end = tokio::time::timeout(LIMIT, silent.read(&mut [0; 1])).await;
    assert!(end.expect("the server closes the connection").is_ok_and(|read| read == 0));
    call(&peer, LIMIT).await.expect("an answer");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn nobody_else_is_heard_whatever_the_token() {
    let (authority, another) = (Authority::new(), Authority::new());
    let server = server(&authority.settings("127.0.0.1")).await;
    // Of another authority, but one that believes ours.
    let (certificate, key) = another.sign("127.0.0.1");
    let stranger = Tls::from_pem(&authority.pem(), &certificate, &key).expect("certificates");
    for tls in [Some(stranger), None] {
        let peer = peer_with(&[server.address], &GrpcSettings { tls, attempts: 1, ..settings() });
        assert_eq!(call(&peer, LIMIT).await.expect_err("refused").code(), Code::Unavailable);
        assert!(!peer.is_serving(LIMIT).await);
    }
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn a_server_that_cannot_show_who_it_is_is_told_nothing() {
    let (authority, another) = (Authority::new(), Authority::new());
    let ours = authority.settings("127.0.0.1");
    // Of another authority; for another host; in the clear.
    let (certificate, key) = another.sign("127.0.0.1");
    let stranger = Tls::from_pem(&authority.pem(), &certificate, &key).expect("certificates");
    let strangers = [
        GrpcSettings { tls: Some(stranger), ..settings() },
        authority.settings("another.example"),
        GrpcSettings { tls: None, ..settings() },
    ];
    for stranger in strangers {
        let server = server(&stranger).await;
        let status = call(&peer_with(&[server.address], &ours), LIMIT).await.expect_err("refused");
        assert_eq!((status.code(), server.calls()), (Code::Unavailable, 0));
    }
}

#[tokio::test]
async fn without_certificates_calls_are_made_in_the_clear() {
    let server = server(&settings()).await;
    call(&peer(&[server.address]), LIMIT).await.expect("an answer");
}

#[test]
fn files_that_do_not_fit_are_told_by_name() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("a.example");
    let (_, other_key) = authority.sign("a.example");
    let error = |ca: &str, cert: &str, key: &str| Tls::from_pem(ca, cert, key).expect_err("no certificates");
    assert_eq!(error("", &certificate, &key), TlsError::Authority);
    assert_eq!(error(&authority.pem(), "", &key), TlsError::Certificate);
    assert_eq!(error(&authority.pem(), &certificate, &certificate), TlsError::Key);
    assert_eq!(error(&authority.pem(), &certificate, &other_key), TlsError::Key);

    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        fs::write(&path, pem).expect("a file");
        path.into_os_string().into_string().expect("Unicode")
    };
    let files = [file("ca", &authority.pem()), file("cert", &certificate), file("key", &key)];
    let names = ["INTERNAL_TLS_CA_FILE", "INTERNAL_TLS_CERT_FILE", "INTERNAL_TLS_KEY_FILE"];
    let read = |files: [&str; 3]| {
        let mut reader = SettingsSource::from_values(names.into_iter().zip(files));
        let settings = CommonSettings::read(&mut reader);
        reader.finish().map(|_| settings.grpc.tls.is_some()).map_err(|error| error.to_string())
    };
    let [ca, cert, key] = files.each_ref().map(String::as_str);
    assert_eq!(read([ca, cert, key]), Ok(true));
    assert_eq!(read(["", "", ""]), Ok(false));
    let gone = format!("{key}-gone");
    for (files, named) in [([ca, "", key], 1), (["", cert, key], 0), ([ca, cert, ca], 2), ([ca, cert, &gone], 2)] {
        let error = read(files).expect_err("bad settings");
        assert!(error.starts_with(&format!("{} should be ", names[named])) && error.lines().count() == 1, "{error}");
    }
}
