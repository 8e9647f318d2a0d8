//! nginx with the configuration of `deploy/nginx`, the binary of this machine, and free ports.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use neonchat_testbed::{
    client::Api,
    port,
    process::{Process, Signal},
    system::Ports,
    tunnel::tunnel,
};
use nix::{sys::signal::killpg, unistd::Pid};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use serde_json::Value;
use tokio::{net::TcpStream, process::Command};
use tokio_rustls::TlsConnector;

/// The timeout for the start and for a line of the log.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A running nginx.
pub(crate) struct Nginx {
    process: Process,
    https: u16,
    http: u16,
    health: u16,
    certificate: PathBuf,
}

impl Nginx {
    /// Starts nginx in front of instances of both services. Its files are in `folder`, which other users must be able to
    /// enter.
    pub(crate) async fn start(folder: &Path, instances: &[Ports]) -> Self {
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nginx");
        let [https, http, health] = [(); 3].map(|()| port::reserve().expect("reserve port"));
        let mut conf = fs::read_to_string(deploy.join("nginx.conf")).expect("read file");
        for (theirs, ours) in [
            ("listen 8443 ssl http2;", format!("listen 127.0.0.1:{https} ssl http2;")),
            ("listen 8000;", format!("listen 127.0.0.1:{http};")),
            ("listen 127.0.0.1:8001;", format!("listen 127.0.0.1:{health};")),
            ("/tmp/", format!("{}/", folder.display())),
        ] {
            assert!(conf.contains(theirs), "nginx.conf has no {theirs}");
            conf = conf.replace(theirs, &ours);
        }
        fs::write(folder.join("nginx.conf"), conf).expect("write file");
        let upstreams = fs::read_to_string(deploy.join("upstreams.conf")).expect("read file");
        fs::write(folder.join("upstreams.conf"), with_ports(&upstreams, instances)).expect("write file");
        let certificates = folder.join("certificates");
        fs::create_dir(&certificates).expect("create directory");
        let made = Command::new(deploy.join("self-signed.sh")).arg(&certificates).output().await.expect("run shell");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        // The command of the container.
        let mut command = Process::command(&deploy.join("start.sh"), Signal::SIGTERM);
        command.arg(folder.join("site.conf")).arg(binary());
        command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(folder);
        command.env("HTTPS_PORT", https.to_string());
        let process = Process::spawn("nginx", &mut command, &folder.join("nginx.log")).expect("run process");
        let mut nginx = Self { process, https, http, health, certificate: certificates.join("fullchain.pem") };
        let health = nginx.health();
        let answers = async || health.call("GET", "/", None, None).await.is_ok_and(|answer| answer.status == 200);
        nginx.process.ready_when(TIMEOUT, answers).await.expect("start nginx");
        nginx
    }

    /// Returns the HTTPS port.
    pub(crate) const fn https(&self) -> u16 {
        self.https
    }

    /// Returns the file of its certificate, which is for localhost and 127.0.0.1.
    pub(crate) fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Returns the port for plain HTTP.
    pub(crate) const fn http(&self) -> u16 {
        self.http
    }

    /// Returns a client of the server for the health check of the container.
    pub(crate) fn health(&self) -> Api {
        Api::new(format!("http://127.0.0.1:{}", self.health))
    }

    /// Opens a tunnel to the HTTPS port. Returns the port of the tunnel.
    pub(crate) async fn tunnel(&self) -> u16 {
        tunnel(("127.0.0.1".to_owned(), self.https), &self.certificate).await.expect("open tunnel")
    }

    /// Returns the protocol that a browser would get, by the list that it sends in the TLS handshake.
    pub(crate) async fn protocol(&self) -> Option<Vec<u8>> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(&self.certificate).expect("read certificate"))
            .expect("add certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("known versions");
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let tcp = TcpStream::connect(("127.0.0.1", self.https)).await.expect("connect");
        let host = ServerName::try_from("localhost").expect("parse name");
        let stream = TlsConnector::from(Arc::new(config)).connect(host, tcp).await.expect("shake hands");
        stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
    }

    /// Returns the access log and the error log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.process.log()).expect("read log")
    }

    /// Waits for `count` lines of the access log for this path and returns them. nginx writes a line after the request has ended.
    pub(crate) async fn requests(&mut self, path: &str, count: usize) -> Vec<Value> {
        let log = self.process.log().to_owned();
        let read = || {
            let text = fs::read_to_string(&log).expect("read log");
            // The last line may be half written.
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.filter(|line| line["path"] == path).collect::<Vec<_>>()
        };
        self.process.ready_when(TIMEOUT, async || read().len() >= count).await.expect("log requests");
        read()
    }
}

impl Drop for Nginx {
    /// A dropped child is killed, which would leave its workers running.
    fn drop(&mut self) {
        if let Some(id) = self.process.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = killpg(Pid::from_raw(id), Signal::SIGTERM);
        }
    }
}

/// Replaces the servers of the upstreams by the instances at these ports. No name is resolved.
fn with_ports(conf: &str, instances: &[Ports]) -> String {
    let mut lines = Vec::new();
    for line in conf.lines() {
        let Some(server) = line.trim_start().strip_prefix("server ") else {
            lines.push(line.to_owned());
            continue;
        };
        let (address, parameters) = server.split_once(" resolve ").expect("find `resolve`");
        let port: fn(&Ports) -> u16 = match address {
            "chat-service:8080" => |ports| ports.rest,
            "chat-service:8084" => |ports| ports.chat_ready(),
            "notification-service:8082" => |ports| ports.websocket,
            "notification-service:8085" => |ports| ports.notification_ready(),
            _ => panic!("upstreams.conf has an unknown server: {address}"),
        };
        lines.extend(instances.iter().map(|ports| format!("server 127.0.0.1:{} {parameters}", port(ports))));
    }
    lines.join("\n")
}

/// Finds nginx. Debian installs it in a folder that is only in root's PATH.
fn binary() -> PathBuf {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&on_path).chain(["/usr/sbin".into()]);
    let found = folders.find_map(|folder| Some(folder.join("nginx")).filter(|path| path.is_file()));
    found.expect("nginx was not found. Install it: testbed/install.sh")
}
