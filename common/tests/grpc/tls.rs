//! Mutual TLS between services.

use std::{fs, time::Duration};

use neonchat_common::{
    settings::{CommonSettings, GrpcSettings, SettingsSource},
    tls::{Tls, TlsError},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::AsyncReadExt as _;
use tonic::Code;

use crate::stand_in::{StandIn, call, client, client_with, settings};

const TIMEOUT: Duration = Duration::from_secs(5);

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("create parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("generate key")).expect("sign authority"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// Returns a certificate for a host, and its key.
    fn sign(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().expect("generate key");
        let params = CertificateParams::new([host.to_owned()]).expect("create parameters");
        (params.signed_by(&key, &self.0).expect("sign certificate").pem(), key.serialize_pem())
    }

    /// Returns the settings of a service at this host that trusts this authority.
    fn settings(&self, host: &str) -> GrpcSettings {
        let (certificate, key) = self.sign(host);
        let tls = Tls::from_pem(&self.pem(), &certificate, &key).expect("load certificates");
        GrpcSettings { attempts: 1, tls: Some(tls), ..settings() }
    }
}

async fn server(settings: &GrpcSettings) -> StandIn {
    StandIn::start_with(settings, "127.0.0.1:0".parse().expect("read address"), async |_| Ok(())).await
}

#[tokio::test]
async fn services_of_same_authority_connect() {
    let authority = Authority::new();
    let server = server(&authority.settings("127.0.0.1")).await;
    let client = client_with(&[server.address], &authority.settings("another.example"));
    call(&client, TIMEOUT).await.expect("call succeeds");
    assert!(client.is_serving(TIMEOUT).await);
}

#[tokio::test]
async fn closes_silent_but_not_authenticated_connection() {
    let authority = Authority::new();
    let settings = authority.settings("127.0.0.1");
    let server = StandIn::start_limited(&settings, 16, Duration::from_millis(300), |builder| builder).await;
    let client = client_with(&[server.address], &settings);
    call(&client, TIMEOUT).await.expect("call succeeds");
    // It does not start the TLS handshake.
    let mut silent = tokio::net::TcpStream::connect(server.address).await.expect("connect");
    let end = tokio::time::timeout(TIMEOUT, silent.read(&mut [0; 1])).await;
    assert!(end.expect("server closes connection").is_ok_and(|read| read == 0));
    call(&client, TIMEOUT).await.expect("call succeeds");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn server_rejects_client_of_other_authority_or_without_certificate() {
    let (authority, another) = (Authority::new(), Authority::new());
    let server = server(&authority.settings("127.0.0.1")).await;
    // A certificate of another authority, in a configuration that trusts ours.
    let (certificate, key) = another.sign("127.0.0.1");
    let untrusted = Tls::from_pem(&authority.pem(), &certificate, &key).expect("load certificates");
    for tls in [Some(untrusted), None] {
        let client = client_with(&[server.address], &GrpcSettings { tls, attempts: 1, ..settings() });
        assert_eq!(call(&client, TIMEOUT).await.expect_err("call is refused").code(), Code::Unavailable);
        assert!(!client.is_serving(TIMEOUT).await);
    }
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn client_rejects_server_without_valid_certificate() {
    let (authority, another) = (Authority::new(), Authority::new());
    let ours = authority.settings("127.0.0.1");
    // A certificate of another authority, one for another host, and no TLS.
    let (certificate, key) = another.sign("127.0.0.1");
    let untrusted = Tls::from_pem(&authority.pem(), &certificate, &key).expect("load certificates");
    let untrusted_servers = [
        GrpcSettings { tls: Some(untrusted), ..settings() },
        authority.settings("another.example"),
        GrpcSettings { tls: None, ..settings() },
    ];
    for settings in untrusted_servers {
        let server = server(&settings).await;
        let status = call(&client_with(&[server.address], &ours), TIMEOUT).await.expect_err("call is refused");
        assert_eq!((status.code(), server.calls()), (Code::Unavailable, 0));
    }
}

#[tokio::test]
async fn calls_without_tls_if_there_are_no_certificates() {
    let server = server(&settings()).await;
    call(&client(&[server.address]), TIMEOUT).await.expect("call succeeds");
}

#[test]
fn names_setting_of_invalid_file() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("a.example");
    let (_, other_key) = authority.sign("a.example");
    let error = |ca: &str, cert: &str, key: &str| Tls::from_pem(ca, cert, key).expect_err("reject certificates");
    assert_eq!(error("", &certificate, &key), TlsError::Authority);
    assert_eq!(error(&authority.pem(), "", &key), TlsError::Certificate);
    assert_eq!(error(&authority.pem(), &certificate, &certificate), TlsError::Key);
    assert_eq!(error(&authority.pem(), &certificate, &other_key), TlsError::Key);

    let folder = tempfile::tempdir().expect("create folder");
    let file = |name: &str, pem: &str| {
        let path = folder.path().join(name);
        fs::write(&path, pem).expect("write file");
        path.into_os_string().into_string().expect("path is UTF-8")
    };
    let files = [file("ca", &authority.pem()), file("cert", &certificate), file("key", &key)];
    let names = ["INTERNAL_TLS_CA_FILE", "INTERNAL_TLS_CERT_FILE", "INTERNAL_TLS_KEY_FILE"];
    let read = |files: [&str; 3]| {
        let mut source = SettingsSource::from_values(names.into_iter().zip(files));
        let settings = CommonSettings::read(&mut source);
        source.finish().map(|_| settings.grpc.tls.is_some()).map_err(|error| error.to_string())
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
